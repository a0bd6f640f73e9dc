import { describe, expect, test } from "vitest";
import type { Axis } from "../../../imaging/geometry.js";
import type { Click } from "./clicks.js";
import { clicksInForce, emptyHistory, extendHistory, type History, stepInForce, toDelta } from "./history.js";
import { type Drawing, type Next, nextOfChoice, nextOfClicks, nextOfDrawing, nextOfLock } from "./next.js";
import { groupRounds } from "./plan.js";
import { clicksOf, heldAfter, roundsOf, stateKeys, type Way } from "./program.js";

const wayOf = (model = "limnet", axis: Axis = 2): Way => ({ model, axis, settings: { fusion: "network", memory: "permanent", propagate: true, window: null } });
const way = wayOf();
/** "3+" is a positive click on slice 3; equal texts at equal places are equal clicks. */
const click = (text: string): Click => ({ voxel: [text.length, text.charCodeAt(text.length - 1) % 7, Number.parseInt(text, 10)], positive: !text.includes("-") });
const clicks = (text: string) => text.split(" ").filter(Boolean).map(click);
const lists = (all: readonly Click[]) => ({
  positives: all.filter(({ positive }) => positive).map(({ voxel }) => voxel),
  negatives: all.filter(({ positive }) => !positive).map(({ voxel }) => voxel),
});

function follow(history: History, next: Next): History {
  const line = { version: 2, n: history.n + 1, time: "", who: "", action: "infer", ran: [] } as const;
  if (next.kind === "nothing") return history;
  if (next.kind === "move") return extendHistory(history, { ...line, head: next.head });
  let before = stepInForce(history);
  const steps = next.steps.map((step) => {
    const delta = toDelta(step, before);
    before = step;
    return delta;
  });
  return extendHistory(history, { ...line, steps });
}
const send = (history: History, text: string, other = way, weights = "w") => follow(history, nextOfClicks(history, other, weights, lists(clicks(text))));
const session = (...texts: string[]) => texts.reduce((history, text) => send(history, text), emptyHistory);
const ops = (history: History) => stepInForce(history)?.ops ?? [];
const shown = (history: History) => ops(history).map((op) => (op.op === "round" ? `${op.slice}:${op.clicks.length}` : `${op.op} ${op.slices.join(",")}`));
const lock = (history: History, ...slices: number[]) => follow(history, nextOfLock(history, slices, true));
const unlock = (history: History, ...slices: number[]) => follow(history, nextOfLock(history, slices, false));

describe("clicks", () => {
  test("another click on the slice of the last round redoes that round, one elsewhere begins the next", () => {
    const history = session("3+", "3+ 3-b", "3+ 3-b 5+");
    expect(shown(history)).toEqual(["3:2", "5:1"]);
    expect(history.steps.map((step) => step.ops.length)).toEqual([1, 1, 2]);
    expect(ops(history)).toEqual(groupRounds(clicksInForce(history), 2).map((round) => ({ op: "round", ...round })));
  });

  test("of several rounds at once are a step each", () => {
    const history = session("3+ 5+ 7+ 7+b");
    expect(history.steps.map(({ ops: all }) => all.length)).toEqual([1, 2, 3]);
    expect(history.head).toBe(3);
  });

  test("that are shorter are an undo, the longer list again a redo, and a new click ends what was undone", () => {
    const history = session("3+", "3+ 5+", "3+ 5+ 7+", "3+");
    expect([history.head, history.steps.length, shown(history)]).toEqual([1, 3, ["3:1"]]);
    expect(send(history, "3+ 5+ 7+").head).toBe(3);
    const other = send(history, "3+ 9+");
    expect([other.head, other.steps.length, shown(other)]).toEqual([2, 2, ["3:1", "9:1"]]);
  });

  test("that are none are an undo to the very beginning", () => {
    const history = session("3+", "3+ 5+", "");
    expect([history.head, history.steps.length]).toEqual([0, 2]);
    expect(send(history, "3+ 5+").head).toBe(2);
    expect(nextOfClicks(emptyHistory, way, "w", lists([]))).toEqual({ kind: "nothing" });
  });

  test("that lack one in the middle are a new step, from which an undo leads back", () => {
    const history = session("3+", "3+ 5+", "3+ 5+ 7+", "3+ 7+");
    expect([history.head, history.steps.length, shown(history)]).toEqual([4, 4, ["3:1", "7:1"]]);
    expect(history.steps[3].keys[0]).toBe(history.steps[0].keys[0]);
  });

  test("of another model, axis or window do not touch those of this one, and an undo leads back to it", () => {
    let history = send(session("3+", "3+ 5+"), "3+", wayOf("limnet_2d"));
    expect([history.head, shown(history)]).toEqual([3, ["3:1"]]);
    expect(history.steps[2].keys[0]).not.toBe(history.steps[0].keys[0]);
    expect(nextOfClicks(history, wayOf("limnet", 1), "w", lists([]))).toEqual({ kind: "nothing" });
    history = send(history, "3+ 5+");
    expect(history.head).toBe(2);
  });

  test("are run again with other networks, and nothing of before is lost", () => {
    const history = send(session("3+", "3+ 5+"), "3+ 5+", way, "w2");
    expect([history.head, history.steps.map(({ weights }) => weights)]).toEqual([4, ["w", "w", "w2", "w2"]]);
    expect(history.steps[3].keys).not.toEqual(history.steps[1].keys);
  });
});

describe("locked slices", () => {
  test("stay locked in the rounds that follow, and an undo goes back to before the lock", () => {
    const locked = lock(session("3+", "3+ 5+"), 8, 9);
    const history = send(locked, "3+ 5+ 7+");
    expect(shown(history)).toEqual(["3:1", "5:1", "hold 8,9", "7:1"]);
    expect(heldAfter(ops(history))).toEqual([8, 9]);
    expect(ops(send(history, "3+ 5+"))).toEqual(ops(locked));
    expect(stateKeys(way, "w", ops(history))).not.toEqual(stateKeys(way, "w", ops(send(session("3+", "3+ 5+"), "3+ 5+ 7+"))));
  });

  test("add up, and locking what is locked changes nothing", () => {
    const history = lock(lock(session("3+"), 9), 4, 9);
    expect(heldAfter(ops(history))).toEqual([4, 9]);
    expect(nextOfLock(history, [4], true)).toEqual({ kind: "move", head: history.head });
    expect(heldAfter(ops(unlock(history, 4, 5)))).toEqual([9]);
  });

  test("make a later click on the slice of the last round a round of its own: the round before made what is locked", () => {
    const history = send(lock(session("3+"), 8), "3+ 3+bb");
    expect(shown(history)).toEqual(["3:1", "hold 8", "3:1"]);
  });

  test("are taken over where rounds before the lock are run again", () => {
    const before = send(lock(session("3+", "3+ 5+"), 8), "3+ 5+ 7+");
    const history = send(before, "3+ 7+");
    expect(shown(history)).toEqual(["3:1", "7:1", "take 8", "hold 8"]);
    expect(ops(history)[2]).toMatchObject({ from: before.steps.at(-1)!.keys.at(-1) });
    expect(clicksOf(ops(history))).toEqual(clicks("3+ 7+"));
  });

  test("are taken over when other networks or another window run all again", () => {
    const before = lock(session("3+", "3+ 5+"), 8);
    for (const history of [send(before, "3+ 5+ 7+", way, "w2"), send(before, "3+ 5+ 7+", { ...way, settings: { ...way.settings, window: [0, 100] } })]) {
      expect(shown(history)).toEqual(["3:1", "5:1", "7:1", "take 8", "hold 8"]);
      expect(ops(history)[3]).toMatchObject({ from: before.steps.at(-1)!.keys.at(-1) });
    }
  });

  test("that were unlocked meanwhile are not held when rounds are run again", () => {
    const before = unlock(send(lock(session("3+"), 8, 9), "3+ 5+"), 8);
    expect(shown(send(before, "3+ 7+"))).toEqual(["3:1", "hold 8,9", "hold 9", "7:1", "take 9", "hold 9"]);
  });

  test("refuse new clicks, and rounds across another axis", () => {
    const history = lock(session("3+", "3+ 5+"), 3, 8);
    expect(() => send(history, "3+ 5+ 8+")).toThrow(expect.objectContaining({ code: "slice_locked", status: 409 }));
    expect(() => send(history, "3+ 5+ 3-")).toThrow(/slices=3/);
    expect(() => send(history, "3+ 5+ 7+", wayOf("limnet", 1))).toThrow(/axis k/);
    expect(shown(send(history, "3+ 5+ 7+")).at(-1)).toBe("7:1");
    expect(() => lock(emptyHistory, 3)).toThrow(expect.objectContaining({ code: "nothing_clicked" }));
  });
});

describe("a chosen slice", () => {
  const history = session("3+", "3+ 5+", "3+ 5+ 7+");
  const chosen = follow(history, nextOfChoice(history, 8, 1));

  test("is taken from its round, and the next round goes on from it", () => {
    expect(ops(chosen).at(-1)).toEqual({ op: "take", slices: [8], from: history.steps[0].keys[0] });
    expect(shown(send(chosen, "3+ 5+ 7+ 9+"))).toEqual(["3:1", "5:1", "7:1", "take 8", "9:1"]);
    expect(shown(send(chosen, "3+ 5+ 7+ 7-"))).toEqual(["3:1", "5:1", "7:1", "take 8", "7:1"]);
  });

  test("is refused where it is locked or the round is none", () => {
    expect(() => nextOfChoice(lock(history, 8), 8, 1)).toThrow(expect.objectContaining({ code: "slice_locked" }));
    expect(() => nextOfChoice(history, 8, 4)).toThrow(/rounds 1 to 3/);
  });
});

describe("whatever is done", () => {
  test.each(Array.from({ length: 100 }, (_, seed) => seed))("seed %d: the clicks in force are those sent, and no locked slice is ever run", (seed) => {
    let state = seed * 7919 + 1;
    const random = (n: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * n);
    };
    const all = Array.from({ length: 12 }, (_, n): Click => ({ voxel: [n, 0, random(6)], positive: random(3) > 0 }));
    let history: History = emptyHistory;
    for (let step = 0; step < 30; step++) {
      const held = heldAfter(ops(history));
      const act = random(10);
      if (act < 5) {
        const want = act < 3 ? [...clicksInForce(history), ...all.filter(() => random(6) === 0)] : all.filter(() => random(2) === 0);
        const unique = [...new Map(want.map((one) => [String(one.voxel), one])).values()];
        try {
          const next = nextOfClicks(history, way, "w", lists(unique));
          history = follow(history, next);
          expect(lists(clicksInForce(history))).toEqual(lists(unique));
          if (next.kind === "steps") expect(heldAfter(ops(history))).toEqual(held);
        } catch (error) {
          expect(error).toMatchObject({ code: "slice_locked" });
          expect(held.length).toBeGreaterThan(0);
        }
      } else if (act < 7) history = follow(history, { kind: "move", head: Math.max(0, history.head - random(3)) });
      else if (act < 8) history = follow(history, { kind: "move", head: Math.min(history.steps.length, history.head + random(3)) });
      else if (history.head > 0) history = random(2) === 0 ? lock(history, random(6)) : unlock(history, random(6));
      let locked: readonly number[] = [];
      for (const op of ops(history)) {
        if (op.op === "hold") locked = op.slices;
        if (op.op === "round") expect(locked).not.toContain(op.slice);
      }
      expect(roundsOf(ops(history)).every((round) => round.clicks.every(({ voxel }) => voxel[2] === round.slice))).toBe(true);
    }
  });
});

describe("slices drawn by hand", () => {
  const from = "a".repeat(32);
  const draw = (history: History, drawn: Partial<Drawing> = {}) => follow(history, nextOfDrawing(history, { way, weights: "w", slices: [4, 6], from, prompts: [4, 6], carried: 6, strokes: [], ...drawn }));
  const carried = ["outline 4,6", "6:0"];

  test("are a step of their own behind the clicks, and are carried on in a round without clicks", () => {
    const history = draw(session("3+ 5+"));
    expect(shown(history)).toEqual(["3:1", "5:1", ...carried]);
    expect(history.steps).toHaveLength(3);
  });

  test("stay when the client sends its clicks again, which it did before they were drawn", () => {
    const drawn = draw(session("3+"));
    expect(send(drawn, "3+")).toMatchObject({ head: 2, steps: drawn.steps });
    expect(shown(send(drawn, "3+ 9+"))).toEqual(["3:1", ...carried, "9:1"]);
  });

  test("are not mended away by a click on the slice that carried them", () => {
    expect(shown(send(draw(session("3+")), "3+ 6-b"))).toEqual(["3:1", ...carried, "6:1"]);
  });

  test("stay when a click of before them is taken back, and when all are", () => {
    const history = send(draw(session("3+ 5+")), "3+ 5+ 9+");
    expect(shown(send(history, "3+ 9+"))).toEqual(["3:1", ...carried, "9:1"]);
    expect(shown(send(draw(session("3+")), ""))).toEqual(carried);
    expect(shown(send(draw(emptyHistory), ""))).toEqual(carried);
  });

  test("go with an undo, and come back with a redo", () => {
    const history = draw(session("3+"));
    const undone = follow(history, { kind: "move", head: 1 });
    expect(shown(undone)).toEqual(["3:1"]);
    expect(shown(follow(undone, { kind: "move", head: 2 }))).toEqual(["3:1", ...carried]);
  });

  test("make a state of their own: other slices, another mask or other prompts have another name", () => {
    const named = [{}, { slices: [4] }, { from: "b".repeat(32) }, { prompts: [4] }].map((drawn) => stepInForce(draw(emptyHistory, drawn))!.keys.at(-1));
    expect(new Set(named).size).toBe(4);
  });

  test("are taken as they are where nothing is missing between them", () => {
    expect(shown(draw(emptyHistory, { carried: null }))).toEqual(["outline 4,6"]);
  });

  test("change nothing where none was drawn", () => {
    expect(nextOfDrawing(emptyHistory, { way, weights: "w", slices: [], from: "", prompts: [], carried: null, strokes: [] })).toEqual({ kind: "nothing" });
    const history = session("3+");
    expect(nextOfDrawing(history, { way, weights: "w", slices: [], from: "", prompts: [], carried: null, strokes: [] })).toEqual({ kind: "move", head: 1 });
  });

  test("may be strokes alone, which are no clicks of the client's lists and count once", () => {
    const strokes = clicks("8+ 8-b 2+");
    const none = { slices: [], prompts: [], carried: null };
    const history = draw(session("3+"), { ...none, strokes });
    expect(shown(history)).toEqual(["3:1", "8:2", "2:1"]);
    expect(clicksInForce(history)).toEqual(clicks("3+"));
    expect(send(history, "3+").head).toBe(2);
    expect(draw(history, { ...none, strokes }).head).toBe(2);
    expect(shown(draw(history, { ...none, strokes: clicks("8+ 8-b 2+ 7+") }))).toEqual(["3:1", "8:2", "2:1", "7:1"]);
    expect(shown(send(history, "3+ 2+b"))).toEqual(["3:1", "8:2", "2:1", "2:1"]);
  });

  test("on a locked slice, or across another axis than locked ones, are refused", () => {
    const locked = lock(session("3+"), 6);
    expect(() => draw(locked)).toThrow(expect.objectContaining({ code: "slice_locked", message: expect.stringContaining("Slice 6") }));
    expect(() => draw(locked, { slices: [], strokes: clicks("6+") })).toThrow(expect.objectContaining({ code: "slice_locked" }));
    expect(() => draw(locked, { way: wayOf("limnet", 0) })).toThrow(expect.objectContaining({ code: "slice_locked" }));
    expect(shown(draw(locked, { slices: [4], prompts: [4], carried: 4 }))).toEqual(["3:1", "hold 6", "outline 4", "4:0"]);
  });

  test("are done again with other networks", () => {
    expect(shown(send(draw(session("3+")), "3+", way, "w2"))).toEqual([...carried, "3:1"]);
  });
});
