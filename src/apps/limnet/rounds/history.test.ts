import { expect, test } from "vitest";
import { type Entry, emptyHistory, extendHistory, keptStates, type RoundRecord, statesToKeep } from "./history.js";

const record = (key: string): RoundRecord => ({ key, slice: 1, slices: [], seconds: 1, propagated: 3, digest: "d" });
const entry = (model: string | null, ...keys: string[]): Entry =>
  ({ version: 1, time: "2026-01-01T00:00:00.000Z", clicks: [], model, ran: keys.map(record) });

test("states add up, and a round that is run again counts as the newest", () => {
  const history = [entry("m", "a", "b"), entry("m", "a")].reduce(extendHistory, emptyHistory);
  expect([...history.records.keys()]).toEqual(["b", "a"]);
});

test("an undo, which runs no network, forgets nothing", () => {
  const history = [entry("m", "a", "b"), entry(null)].reduce(extendHistory, emptyHistory);
  expect(history.records.size).toBe(2);
  expect(history.model).toBe("m");
});

test("states of other networks are forgotten", () => {
  const history = [entry("m", "a"), entry("n", "b")].reduce(extendHistory, emptyHistory);
  expect([...history.records.keys()]).toEqual(["b"]);
});

test("the newest runs and the newest rounds of the present clicks are kept", () => {
  const names = Array.from({ length: 50 }, (_, n) => `s${n}`);
  const history = extendHistory(emptyHistory, entry("m", ...names));
  const keep = statesToKeep(history, names.slice(0, 25));
  expect(keep.size).toBe(2 * keptStates);
  expect(keep.has("s5") && keep.has("s24") && keep.has("s49") && keep.has("s30")).toBe(true);
  expect(keep.has("s4") || keep.has("s29")).toBe(false);
});
