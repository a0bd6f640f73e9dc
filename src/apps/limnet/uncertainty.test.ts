import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { SliceDecision, Winner } from "../../engine/protocol.js";
import type { Pool } from "../app.js";
import type { Journal } from "./journal.js";
import { emptyHistory, type History } from "./rounds/history.js";
import { uncertaintyOf, uncertaintyStrategy } from "./uncertainty.js";

type Decisions = readonly (readonly [index: number, winner: Winner, probability: number, disagreement?: number])[];

/** A history of rounds that decided so. */
function history(...rounds: Decisions[]): History {
  const ops = rounds.map((_, slice) => ({ op: "round" as const, slice, clicks: [{ voxel: [0, 0, slice] as const, positive: true }] }));
  const keys = rounds.map((_, n) => `k${n}`);
  const way = { model: "limnet", axis: 2 as const, settings: { fusion: "network" as const, memory: "permanent" as const, propagate: true, window: null } };
  const slices = (decisions: Decisions): SliceDecision[] => decisions.map(([index, winner, probability, disagreement]) => ({ index, winner, probability, disagreement }));
  const records = new Map(rounds.map((decisions, n) => [keys[n], { key: keys[n], slice: n, slices: slices(decisions), seconds: 1, propagated: 1, digest: "", model: "m" }]));
  return { ...emptyHistory, records, steps: [{ way, weights: "m", ops, keys }], head: 1 } as History;
}

test("a slice is doubtful where the quality network could not tell, and not where a person decided", () => {
  expect(uncertaintyOf(emptyHistory)).toBeNull();
  expect(uncertaintyOf(history([[3, "user", 1]]))).toBe(0);
  expect(uncertaintyOf(history([[3, "user", 1]], [[1, "current", 0.5], [2, "previous", 1], [4, "user", 1]]))).toBeCloseTo(0.5 / 5);
  expect(uncertaintyOf(history([[1, "current", 0.75]]))).toBeCloseTo(0.25 / 5);
  expect(uncertaintyOf(history([[1, "current", 0.3]]))).toBeCloseTo(0.7 / 5);
});

test("the five most doubtful slices count, and the last word on each", () => {
  const all: Decisions = Array.from({ length: 20 }, (_, n) => [n, "current", n < 5 ? 0.6 : 0.9] as const);
  expect(uncertaintyOf(history(all))).toBeCloseTo(0.4);
  expect(uncertaintyOf(history(all, all.map(([index]) => [index, "user", 1] as const)))).toBe(0);
});

test("a slice is doubtful too where the two directions found different masks, as long as that round's mask stands", () => {
  expect(uncertaintyOf(history([[1, "current", 1, 0.4]]))).toBeCloseTo(0.4 / 5);
  expect(uncertaintyOf(history([[1, "current", 0.75, 0.4]]))).toBeCloseTo(0.55 / 5);
  expect(uncertaintyOf(history([[1, "current", 0.5, 1]]))).toBeCloseTo(1 / 5);
  // The mask of a set whose directions disagreed was not taken; that of the round before stays, with its own doubt.
  expect(uncertaintyOf(history([[1, "previous", 1, 0.4]]))).toBe(0);
  expect(uncertaintyOf(history([[1, "current", 0.6, 0.4]], [[1, "previous", 1, 0.9]]))).toBeCloseTo(0.4 / 5);
  expect(uncertaintyOf(history([[1, "current", 0.6, 0.4]], [[1, "current", 1]]))).toBe(0);
  expect(uncertaintyOf(history([[1, "current", 0.6, 0.4]], [[1, "user", 1]], [[1, "previous", 1]]))).toBe(0);
});

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "limnet-uncertainty-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

let reads = 0;
async function journal(image: string, what: History, { digest = `d-${image}`, label = "tumour" } = {}): Promise<Journal> {
  const own = path.join(folder, `${image}-${label}`);
  await mkdir(own, { recursive: true });
  await writeFile(path.join(own, "journal.jsonl"), "x");
  const load = async () => {
    reads++;
    return what;
  };
  return { folder: own, identity: { image, digest, user: "", label }, load } as unknown as Journal;
}
const pool = (...ids: string[]) => ({ listUnlabeled: async () => ids, imageDigest: async (id: string) => `d-${id}` }) as unknown as Pool;
const doubt = (probability: number) => history([[1, "current", probability]]);

test("begun images come first, the most uncertain before the others, then those that nobody clicked in", async () => {
  const journals = [
    await journal("b", doubt(0.9)), await journal("c", doubt(0.6)), await journal("c", doubt(0.95), { label: "liver" }),
    await journal("e", history([[1, "user", 1]])), await journal("gone", doubt(0.5)), await journal("d", emptyHistory),
  ];
  const strategy = uncertaintyStrategy(async () => journals);
  const order: unknown[] = [];
  let left = ["a", "b", "c", "d", "e"];
  while (left.length > 0) {
    const next = (await strategy.next(pool(...left), {}))!;
    order.push([next.id, next.uncertainty]);
    left = left.filter((id) => id !== next.id);
  }
  expect(order).toEqual([["c", 0.08], ["b", 0.02], ["e", 0], ["a", null], ["d", null]]);
  expect(await strategy.next(pool(), {})).toBeNull();
});

test("rounds of a file that was replaced do not count", async () => {
  const strategy = uncertaintyStrategy(async () => [await journal("b", doubt(0.5), { digest: "older" })]);
  expect((await strategy.next(pool("a", "b"), {}))!.id).toBe("a");
});

test("a journal is read once as long as it does not grow", async () => {
  const one = await journal("b", doubt(0.5));
  const strategy = uncertaintyStrategy(async () => [one]);
  reads = 0;
  for (let n = 0; n < 3; n++) await strategy.next(pool("b"), {});
  expect(reads).toBe(1);
  await writeFile(path.join(one.folder, "journal.jsonl"), "xy");
  await strategy.next(pool("b"), {});
  expect(reads).toBe(2);
});
