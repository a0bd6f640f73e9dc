import { describe, expect, it } from "vitest";
import type { Axis, Shape } from "../imaging/geometry.js";
import { readSlice, writeSlice } from "../imaging/slices.js";
import { runDrawn, slicesToDraw } from "./drawn.js";
import type { Interact, PlacedClick } from "./interact.js";
import { firstSlice, runProtocol, score, type Task, worstSlice } from "./protocol.js";
import { nudger } from "./spoil.js";

const shape: Shape = [24, 20, 9];

/** An ellipsoid, thickest in slice 4 across k. */
function ellipsoid(axis: Axis = 2): Task {
  const truth = new Uint8Array(24 * 20 * 9);
  for (let k = 0, n = 0; k < 9; k++) {
    for (let j = 0; j < 20; j++) {
      for (let i = 0; i < 24; i++, n++) truth[n] = ((i - 12) / 9) ** 2 + ((j - 10) / 8) ** 2 + ((k - 4) / 4) ** 2 < 1 ? 1 : 0;
    }
  }
  return { shape, axis, truth };
}

/** Understands a slice after `needed` clicks on it and knows nothing of the others. */
class Learner implements Interact {
  readonly calls: { clicks: number; propagate: boolean }[] = [];
  constructor(private readonly task: Task, private readonly needed: number) {}

  async segment(clicks: readonly PlacedClick[], { propagate }: { propagate: boolean }) {
    this.calls.push({ clicks: clicks.length, propagate });
    const { axis, truth } = this.task;
    const mask = new Uint8Array(truth.length);
    for (const slice of new Set(clicks.map((click) => click.slice))) {
      if (clicks.filter((click) => click.slice === slice).length >= this.needed) writeSlice(mask, shape, axis, slice, readSlice(truth, shape, axis, slice));
    }
    return { mask, seconds: { click: 1, propagate: 10, fuse: 100 }, kept: 2, propagated: 8 };
  }
}

describe("the choice of slices", () => {
  it("begins where the object is largest, across any axis", () => {
    expect(firstSlice(ellipsoid(2))).toBe(4);
    const truth = ellipsoid().truth.slice();
    truth.fill(0, 0, 4 * 480).fill(0, 5 * 480).set([1, 1, 1], 3 * 480 + 7 * 24);
    writeSlice(truth, shape, 1, 6, new Uint8Array(24 * 9).fill(1));
    writeSlice(truth, shape, 0, 20, new Uint8Array(20 * 9).fill(1));
    expect(firstSlice({ shape, axis: 1, truth })).toBe(6);
    expect(firstSlice({ shape, axis: 0, truth })).toBe(20);
  });

  it("goes on where the result is worst, but not to slices with a speck of the object", () => {
    const good = { truth: 200, mask: 200, both: 190 };
    expect(worstSlice([good, { truth: 150, mask: 100, both: 90 }, { truth: 20, mask: 0, both: 0 }])).toBe(1);
  });

  it("sees a large error where the object is not", () => {
    expect(worstSlice([{ truth: 200, mask: 200, both: 100 }, { truth: 0, mask: 120, both: 0 }])).toBe(1);
    expect(worstSlice([{ truth: 200, mask: 200, both: 100 }, { truth: 0, mask: 99, both: 0 }])).toBe(0);
  });

  it("prefers the largest of the slices that were missed altogether", () => {
    const missed = (truth: number) => ({ truth, mask: 0, both: 0 });
    expect(worstSlice([missed(120), missed(300), missed(300), missed(200)])).toBe(1);
  });

  it("takes the larger half of the slices of a small object", () => {
    const missed = (truth: number) => ({ truth, mask: truth, both: truth - 1 });
    expect(worstSlice([{ truth: 5, mask: 0, both: 0 }, missed(20), missed(40), missed(60)])).toBe(2);
  });
});

describe("protocol A", () => {
  it("clicks once a round, each time on the slice that is worst", async () => {
    const task = ellipsoid();
    const user = new Learner(task, 1);
    const rounds = await runProtocol(task, user, "A", 6);
    expect(rounds.map(({ slice }) => slice)).toEqual([4, 3, 5, 2, 6, null]);
    expect(rounds.map(({ clicks }) => clicks.length)).toEqual([1, 1, 1, 1, 1, 0]);
    expect(user.calls.every(({ propagate }) => propagate)).toBe(true);
    const scores = rounds.map(({ dice }) => dice);
    expect(scores).toEqual([...scores].sort((a, b) => a - b));
    expect(rounds[0].seconds).toEqual({ click: 1, propagate: 10, fuse: 100 });
  });

  it("repeats the score once nothing is left to correct", async () => {
    const task = ellipsoid();
    const perfect: Interact = { segment: async () => ({ mask: task.truth, seconds: { click: 1, propagate: 1, fuse: 1 }, kept: 0, propagated: 8 }) };
    const rounds = await runProtocol(task, perfect, "A", 3);
    expect(rounds.map(({ dice, slice, seconds }) => [dice, slice, seconds.click])).toEqual([[1, 4, 1], [1, null, 0], [1, null, 0]]);
  });
});

describe("protocol B", () => {
  it("stays on a slice until it is right, then propagates once", async () => {
    const task = ellipsoid();
    const user = new Learner(task, 3);
    const [round] = await runProtocol(task, user, "B", 1);
    expect(round.clicks).toHaveLength(3);
    expect(user.calls).toEqual([1, 2, 3].map((clicks) => ({ clicks, propagate: false })).concat({ clicks: 3, propagate: true }));
    expect(round.seconds).toEqual({ click: 3, propagate: 10, fuse: 100 });
  });

  it("gives up on a slice after five clicks, none of them on the same pixel", async () => {
    const task = ellipsoid();
    const [round] = await runProtocol(task, new Learner(task, 99), "B", 1);
    expect(round.clicks).toHaveLength(5);
    expect(new Set(round.clicks.map(({ row, col }) => `${row},${col}`)).size).toBe(5);
  });
});

describe("a robot that misses its point", () => {
  it("clicks near it, in the same error", async () => {
    const task = ellipsoid();
    const click = async (jitter: number) => (await runProtocol(task, new Learner(task, 1), "A", 1, { nudge: nudger(jitter, 5) }))[0].clicks[0];
    const [meant, missed] = [await click(0), await click(4)];
    expect(missed).not.toEqual(meant);
    expect(missed.positive).toBe(true);
    expect(readSlice(task.truth, shape, 2, 4)[missed.row * 24 + missed.col]).toBe(1);
  });
});

describe("protocol drawn", () => {
  it("outlines the largest slice, then towards both ends, then the widest gaps, each once", () => {
    const task = ellipsoid();
    expect(slicesToDraw(task, 3)).toEqual([4, 2, 6]);
    expect(slicesToDraw(task, 99).sort()).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it("gives one more outline each round, and repeats itself when there is nothing left to outline", async () => {
    const task = ellipsoid();
    const asked: (readonly number[])[] = [];
    const rounds = await runDrawn(task, {
      draw: async (_, slices) => {
        asked.push(slices);
        return { mask: task.truth, seconds: { click: 0, propagate: 1, fuse: 0 }, kept: 0, propagated: 5 };
      },
    }, 9);
    expect(asked.map((slices) => slices.length)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(rounds.map(({ slice }) => slice === null)).toEqual([...new Array(7).fill(false), true, true]);
  });
});

describe("the score", () => {
  it("counts what is filled beyond the ends of the object as a share of its volume", () => {
    const task = ellipsoid();
    const volume = task.truth.reduce((sum, v) => sum + v, 0);
    const mask = task.truth.slice();
    mask.fill(1, 0, 50);
    expect(score(task, mask).beyond).toBeCloseTo(50 / volume);
    expect(score(task, task.truth)).toEqual({ dice: 1, sliceDice: 1, beyond: 0 });
  });
});
