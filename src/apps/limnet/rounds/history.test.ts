import { describe, expect, test } from "vitest";
import { type Action, BrokenHistory, clicksInForce, type Entry, emptyHistory, extendHistory, type History, keptStates, type StateRecord, statesToKeep, type Step, stepInForce, toDelta } from "./history.js";
import { type Op, stateKeys, type Way } from "./program.js";

const way: Way = { model: "limnet", axis: 2, settings: { fusion: "network", memory: "permanent", propagate: true, window: null } };
const round = (slice: number): Op => ({ op: "round", slice, clicks: [{ voxel: [1, 2, slice], positive: true }] });
const step = (...ops: Op[]): Step => ({ way, weights: "w", ops, keys: stateKeys(way, "w", ops) });
const record = (key: string): StateRecord => ({ key, slice: 1, slices: [], seconds: 1, propagated: 3, digest: "d", model: "m" });
const line = (history: History, what: Partial<Entry>, action: Action = "infer"): Entry =>
  ({ version: 2, n: history.n + 1, time: `t${history.n + 1}`, who: "u", action, ran: [], ...what });
const does = (history: History, what: Partial<Entry>, action?: Action) => extendHistory(history, line(history, what, action));
const adds = (history: History, one: Step) => does(history, { ran: [record(one.keys.at(-1)!)], steps: [toDelta(one, stepInForce(history))] });

const [a, ab, ac] = [step(round(3)), step(round(3), round(5)), step(round(3), round(7))];

describe("the line of steps", () => {
  test("an undo moves the pointer down and a redo up; nothing is forgotten", () => {
    const two = [a, ab].reduce(adds, emptyHistory);
    expect(stepInForce(two)).toEqual(ab);
    const one = does(two, { head: 1 }, "undo");
    expect([stepInForce(one), one.steps.length, one.records.size]).toEqual([a, 2, 2]);
    expect(clicksInForce(does(one, { head: 0 }, "undo"))).toEqual([]);
    expect(stepInForce(does(one, { head: 2 }, "redo"))).toEqual(ab);
  });

  test("a new step takes the place of those that were undone", () => {
    const undone = does([a, ab].reduce(adds, emptyHistory), { head: 1 }, "undo");
    const other = adds(undone, ac);
    expect(other.steps).toEqual([a, ac]);
    expect([other.head, does(other, { head: 9 }).head]).toEqual([2, 2]);
  });

  test("a step is written as what it adds to the step before", () => {
    expect(toDelta(ac, ab)).toMatchObject({ keep: 1, add: [round(7)] });
    expect(toDelta(a, null)).toMatchObject({ keep: 0, add: [round(3)] });
  });

  test("a step whose forerunner is missing is found out", () => {
    const lost = toDelta(step(round(3), round(5), round(7)), ab);
    expect(() => does(adds(emptyHistory, a), { steps: [lost] })).toThrow(BrokenHistory);
  });

  test("a submitted label counts as such until something changes", () => {
    const submitted = does([a, ab].reduce(adds, emptyHistory), {}, "submit");
    expect(submitted.submitted).toBe("t3");
    expect(does(submitted, { ran: [record("x")] }, "round").submitted).toBe("t3");
    expect(does(submitted, { head: 1 }, "undo").submitted).toBeNull();
  });
});

describe("states", () => {
  test("a round that is run again counts as the newest", () => {
    const history = does(does(emptyHistory, { ran: ["a", "b"].map(record) }), { ran: [record("a")] });
    expect([...history.records.keys()]).toEqual(["b", "a"]);
  });

  test("the newest runs, the next undos and redos, and what slices were taken from are kept", () => {
    const rounds = Array.from({ length: 200 }, (_, n) => round(n));
    let history = emptyHistory;
    for (let n = 1; n <= 150; n++) history = adds(history, step(...rounds.slice(0, n)));
    const all = history.steps.map(({ keys }) => keys.at(-1)!);
    history = does(history, { head: 70 }, "undo");
    const keep = statesToKeep(history, ["more"]);
    expect(keep.has("more")).toBe(true);
    expect(all.map((key, n) => (keep.has(key) ? n + 1 : 0)).filter(Boolean)).toEqual(
      Array.from({ length: 150 }, (_, n) => n + 1).filter((n) => (n > 70 - keptStates && n <= 70 + keptStates) || n > 150 - keptStates));
    const taken = adds(history, step(...rounds.slice(0, 70), { op: "take", slices: [4], from: all[1] }));
    expect(statesToKeep(taken).has(all[1])).toBe(true);
  });
});
