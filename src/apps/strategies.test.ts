import { expect, test } from "vitest";
import type { Datastore } from "../datastore/datastore.js";
import { firstStrategy, randomStrategy } from "./strategies.js";

/** `served`: seconds at which "random" last served each image; null: never. */
function store(served: Record<string, number | null>): Datastore {
  return {
    listUnlabeled: async () => Object.keys(served),
    image: async (id: string) => ({ id, path: "", ext: "", info: served[id] === null ? {} : { strategy: { random: { ts: served[id] } } } }),
  } as unknown as Datastore;
}

test("random prefers what was not served for long", async () => {
  const counts: Record<string, number> = { a: 0, b: 0, c: 0 };
  for (let n = 0; n < 100; n++) {
    const strategy = randomStrategy({ random: () => (n + 0.5) / 100, now: () => 1000 });
    const next = await strategy.next(store({ c: null, a: 990, b: 510 }), {});
    counts[next!.id]++;
    expect(next!.weight).toBe({ a: 10, b: 490, c: 1000 }[next!.id]);
  }
  expect(counts).toEqual({ a: 1, b: 32, c: 67 });
});

test("random serves an image again that was served this very second, when nothing else is left", async () => {
  expect((await randomStrategy({ now: () => 5 }).next(store({ a: 5 }), {}))!.id).toBe("a");
});

test("first is the first by id", async () => {
  expect(await firstStrategy().next(store({ b: null, a: null }), {})).toEqual({ id: "a" });
});

test("nothing to label is null", async () => {
  expect(await firstStrategy().next(store({}), {})).toBeNull();
  expect(await randomStrategy().next(store({}), {})).toBeNull();
});
