import { readFile, rm } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LimnetError } from "../../errors.js";
import type { ObjectEvent } from "../app.js";
import { TestBench } from "./testing-app.js";

let bench: TestBench;
beforeEach(async () => {
  bench = await TestBench.make();
});
afterEach(() => bench.close());
const ask: TestBench["ask"] = (...args) => bench.ask(...args);
const undo = (steps = 1, to = bench.app) => bench.change((objects, ref, options) => objects.move(ref, -steps, options), to);
const redo = (steps = 1) => bench.change((objects, ref, options) => objects.move(ref, steps, options));
const lock = (slices: number[] | "all", locked = true) => bench.change((objects, ref, options) => objects.lock(ref, slices, locked, options));
const choose = (slice: number, round: number) => bench.change((objects, ref, options) => objects.choose(ref, { slice, round }, options));
const plane = (mask: number[] | null, slice: number) => mask!.slice(slice * 42, (slice + 1) * 42);

const [a, b, c, d] = [[1, 1, 2], [2, 3, 2], [3, 3, 5], [4, 4, 6]];

describe("undo and redo", () => {
  test("go step by step, without a run, to the empty mask and back, also after a restart", async () => {
    const masks = [Array(336).fill(0) as number[]];
    for (const foreground of [[a], [a, b], [a, b, c], [a, b, c, d]]) masks.push((await ask({ foreground })).mask!);
    for (const n of [3, 2, 1, 0, 0]) {
      const { mask, own } = await undo(1, n % 2 ? bench.app : bench.reopen());
      expect(mask).toEqual(masks[n]);
      expect([own.undo, own.redo]).toEqual([n, 4 - n]);
    }
    for (const n of [1, 2]) expect((await redo()).mask).toEqual(masks[n]);
    expect((await redo(100)).mask).toEqual(masks[4]);
    expect((await undo(3)).mask).toEqual(masks[1]);
    expect(bench.engine.jobs).toHaveLength(4);
  });

  test("speak of the same history as shorter and longer lists of clicks; a new click ends what was undone", async () => {
    await ask({ foreground: [a] });
    const two = await ask({ foreground: [a, c] });
    const three = await ask({ foreground: [a, c, d] });
    expect((await ask({ foreground: [a] })).own).toMatchObject({ undo: 1, redo: 2 });
    expect((await redo()).mask).toEqual(two.mask);
    expect((await ask({ foreground: [a, c, d] })).mask).toEqual(three.mask);
    await undo(2);
    expect((await ask({ foreground: [a, d] })).own).toMatchObject({ undo: 2, redo: 0 });
    expect((await redo()).own.rounds.map(({ slice }) => slice)).toEqual([2, 6]);
    expect(bench.engine.jobs).toHaveLength(4);
  });

  test("take one round at a time of clicks that were sent at once", async () => {
    await ask({ foreground: [a, c, d] });
    expect((await undo()).own.rounds.map(({ slice }) => slice)).toEqual([2, 5]);
    expect((await undo()).own.round).toBe(1);
  });

  test("find the object of a label whose accent another keyboard spells in other bytes", async () => {
    await ask({ foreground: [a], label: "t\u00eate" });
    expect((await ask({ foreground: [a], label: "te\u0302te" })).own).toMatchObject({ round: 1, rounds: [{ run: false }] });
    expect(bench.engine.jobs).toHaveLength(1);
  });

  test("compute a mask again whose file is gone", async () => {
    const one = await ask({ foreground: [a] });
    await ask({ foreground: [a, c] });
    const { states, masks } = await bench.stateFiles();
    for (const file of [...states, ...masks]) await rm(file);
    expect((await undo()).mask).toEqual(one.mask);
    expect(bench.engine.jobs).toHaveLength(3);
  });

  test("show the masks of the networks that made them, also where the networks are others now", async () => {
    const one = await ask({ foreground: [a] });
    bench.engine.model = "model-2";
    const app = bench.reopen({ modelDigest: "model-2" });
    await ask({ foreground: [a, c] }, { to: app });
    const { mask, own } = await undo(2, app);
    expect([mask, own.model]).toEqual([one.mask, "model-1"]);
    expect(bench.engine.jobs).toHaveLength(3);
  });
});

describe("locked slices", () => {
  test("are the same after every later round, undo of clicks in the middle, new networks and restart", async () => {
    await ask({ foreground: [a] });
    const before = await ask({ foreground: [a, c] });
    expect((await lock([0, 5])).own.locked).toEqual([0, 5]);
    const check = (mask: number[] | null) => [0, 5].forEach((slice) => expect(plane(mask, slice)).toEqual(plane(before.mask, slice)));
    const later = await ask({ foreground: [a, c, d] });
    check(later.mask);
    expect(later.own.slices).toContainEqual({ index: 0, winner: "locked", probability: 1 });
    expect(plane(later.mask, 1)).not.toEqual(plane(before.mask, 1));
    check((await ask({ foreground: [a, d] })).mask);
    check((await ask({ foreground: [a, d], window: [0, 9] }, { to: bench.reopen() })).mask);
    bench.engine.model = "model-2";
    const after = await ask({ foreground: [a, d, [0, 0, 7]] }, { to: bench.reopen({ modelDigest: "model-2" }) });
    check(after.mask);
    expect(after.own).toMatchObject({ locked: [0, 5], round: 3 });
    for (const file of (await bench.stateFiles()).states) await rm(file);
    expect((await ask({ foreground: [a, d, [0, 0, 7]] }, { to: bench.reopen({ modelDigest: "model-2" }) })).own.locked).toEqual([0, 5]);
  });

  test("can be unlocked, and locking is a step that an undo takes back", async () => {
    await ask({ foreground: [a] });
    await lock("all");
    await expect(ask({ foreground: [a, c] })).rejects.toMatchObject({ code: "slice_locked", status: 409 });
    expect((await lock([5], false)).own.locked).toEqual([0, 1, 2, 3, 4, 6, 7]);
    expect((await undo(2)).own.locked).toEqual([]);
    expect((await redo(2)).own.locked).toHaveLength(7);
    expect((await lock("all", false)).own.locked).toEqual([]);
    expect((await ask({ foreground: [a, c] })).own.round).toBe(2);
  });

  test("are refused outside the image and before the first click", async () => {
    await expect(lock([1])).rejects.toMatchObject({ code: "nothing_clicked", status: 409 });
    await ask({ foreground: [a] });
    await expect(lock([8])).rejects.toThrow("slices 0 to 7");
  });
});

describe("a chosen slice", () => {
  test("is that of the round, the others stay, and the next round goes on from it", async () => {
    const one = await ask({ foreground: [a] });
    const two = await ask({ foreground: [a, c] });
    const { mask, own } = await choose(3, 1);
    for (let slice = 0; slice < 8; slice++) expect(plane(mask, slice)).toEqual(plane(slice === 3 ? one.mask : two.mask, slice));
    expect(own).toMatchObject({ round: 2, undo: 3 });
    expect((await ask({ foreground: [a, c] })).mask).toEqual(mask);
    expect(await bench.app.objects.rounds(bench.ref())).toMatchObject({ choices: [{ slice: 3, round: 1 }], head: 2 });
    await lock([3]);
    const next = await ask({ foreground: [a, c, d] }, { to: bench.reopen() });
    expect(plane(next.mask, 3)).toEqual(plane(one.mask, 3));
    expect((await undo(3)).mask).toEqual(two.mask);
  });
});

describe("what is told", () => {
  test("rounds: clicks, networks, seconds and decisions of each round in force", async () => {
    await ask({ foreground: [a], background: [b] });
    await ask({ foreground: [a, c], background: [b] });
    const rounds = await bench.app.objects.rounds(bench.ref());
    expect(rounds).toMatchObject({
      image: "scan", label: "object", head: 2, locked: [], undo: 2, redo: 0, submitted: null,
      rounds: [
        { round: 1, axis: 2, slice: 2, clicks: [{ voxel: a, positive: true }, { voxel: b, positive: false }], model: "sha256:model-1", seconds: 0.6 },
        { round: 2, slice: 5, slices: [{ index: 5, winner: "user", probability: 1 }] },
      ],
    });
    expect(await bench.app.objects.rounds(bench.ref("nothing"))).toMatchObject({ label: "nothing", head: 0, rounds: [] });
  });

  test("the journal: every action, who, when and with which weights", async () => {
    await ask({ foreground: [a] });
    await lock([4]);
    await undo();
    const { entries, ...rest } = (await bench.app.objects.journal(bench.ref())) as { entries: Record<string, unknown>[] };
    expect(rest).toEqual({ image: "scan", user: "u", label: "object", image_sha256: "d1", steps: 2, head: 1 });
    expect(entries.map(({ n, action, who }) => [n, action, who])).toEqual([[1, "infer", "u"], [2, "lock", "u"], [3, "undo", "u"]]);
    expect(entries[0]).toMatchObject({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/), ran: [{ weights: "sha256:model-1", mask_sha256: expect.stringMatching(/^[0-9a-f]{64}$/) }],
      steps: [{ model: "limnet", axis: 2, weights: "sha256:model-1", add: [{ round: { slice: 2, clicks: [{ voxel: a, positive: true }] } }] }],
    });
    expect(entries[1]).toMatchObject({ steps: [{ add: [{ locked: [4] }] }] });
    expect(entries[2]).toMatchObject({ head: 1 });
  });

  test("events: what is in force, the place in the queue, slices, the round, the error", async () => {
    const events: ObjectEvent[] = [];
    const end = await bench.app.objects.watch(bench.ref(), (event) => events.push(event));
    await ask({ foreground: [a] });
    bench.engine.failures.push(new LimnetError("out_of_memory", "Too large."));
    await ask({ foreground: [a, c] }).catch(() => undefined);
    await ask({ foreground: [a] }, { user: "other" });
    end();
    await undo();
    expect(events.map(({ event }) => event)).toEqual(["state", "queued", "slice", "round", "state", "queued", "slice", "error"]);
    expect(events[0].data).toEqual({ action: null, head: 0, locked: [], undo: 0, redo: 0 });
    expect(events[1].data).toEqual({ round: 1, place: 0 });
    expect(events[2].data).toEqual({ round: 1, index: 2, done: 1, total: 8, box: null, bits: "" });
    expect(events[3].data).toMatchObject({ round: 1, slice: 2, kept: [], model: "model-1" });
    expect(events[4].data).toMatchObject({ action: "infer", head: 1, undo: 1 });
    expect(events.at(-1)!.data).toEqual({ code: "out_of_memory", detail: "Too large." });
    expect(bench.engine.jobs.map(({ changes }) => changes)).toEqual([true, true, false]);
  });
});

describe("cancel", () => {
  test("stops what runs and what waits, says which, and leaves the history as it was", async () => {
    await ask({ foreground: [a] });
    const before = await readFile((await bench.stateFiles()).journal, "utf8");
    let began = () => {};
    const running = new Promise<void>((resolve) => {
      began = resolve;
    });
    bench.engine.before = async () => {
      began();
      for (let n = 0; n < 100; n++) await new Promise((resolve) => setTimeout(resolve, 2));
    };
    const first = ask({ foreground: [a, c] });
    const second = ask({ foreground: [a, c, d] });
    const failures = Promise.allSettled([first, second]);
    await running;
    const { stopped } = await bench.app.objects.cancel(bench.ref());
    expect(stopped).toMatchObject([{ action: "infer", state: "running", round: 2, seconds: expect.any(Number) }, { action: "infer", state: "waiting", round: null }]);
    for (const outcome of await failures) expect(outcome).toMatchObject({ status: "rejected", reason: { code: "engine_cancelled", status: 499 } });
    expect(await readFile((await bench.stateFiles()).journal, "utf8")).toBe(before);
    expect(await bench.app.objects.cancel(bench.ref())).toEqual({ stopped: [] });
    bench.engine.before = async () => {};
    expect((await ask({ foreground: [a, c] })).own.round).toBe(2);
  });
});
