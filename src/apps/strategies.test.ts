import { expect, test } from "vitest";
import type { ImageGlance } from "../datastore/datastore.js";
import type { Pool } from "./app.js";
import { firstStrategy, lastStrategy, randomStrategy } from "./strategies.js";

/** `served`: seconds at which "random" last served each image; null: never. */
function pool(served: Record<string, number | null>): Pool {
  const ids = Object.keys(served).sort();
  const glance = (id: string): ImageGlance =>
    ({ image: { ext: ".nii", info: served[id] === null ? {} : { strategy: { random: { ts: served[id] } } } }, labels: new Map() });
  return {
    listUnlabeled: async () => ids,
    select: async <T>(pick: (id: string, glance: ImageGlance) => T | undefined) => ids.map((id) => pick(id, glance(id))).filter((one) => one !== undefined),
  } as unknown as Pool;
}

test("random prefers what was not served for long", async () => {
  const counts: Record<string, number> = { a: 0, b: 0, c: 0 };
  for (let n = 0; n < 100; n++) {
    const strategy = randomStrategy({ random: () => (n + 0.5) / 100, now: () => 1000 });
    const next = await strategy.next(pool({ c: null, a: 990, b: 510 }), {});
    counts[next!.id]++;
    expect(next!.weight).toBe({ a: 10, b: 490, c: 1000 }[next!.id]);
  }
  expect(counts).toEqual({ a: 1, b: 32, c: 67 });
});

test("random serves an image again that was served this very second, when nothing else is left", async () => {
  expect((await randomStrategy({ now: () => 5 }).next(pool({ a: 5 }), {}))!.id).toBe("a");
});

test("with a seed, random is one fixed order: never served first, then what was served longest ago", async () => {
  const order = async (seed: string, own?: number) => {
    const served: Record<string, number | null> = Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`scan_${n}`, null]));
    const ids: string[] = [];
    for (let n = 1; n <= 12; n++) {
      const { id } = (await randomStrategy({ seed }).next(pool(served), own === undefined ? {} : { seed: own }))!;
      served[id] = n;
      ids.push(id);
    }
    expect((await randomStrategy({ seed }).next(pool(served), {}))!.id).toBe(ids[0]);
    return ids;
  };
  const seven = await order("7");
  expect(new Set(seven).size).toBe(12);
  expect(await order("7")).toEqual(seven);
  expect(await order("8")).not.toEqual(seven);
  expect(seven).not.toEqual([...seven].sort());
});

test("the seed of a request goes before that of the app", async () => {
  const many = pool(Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`i${n}`, null])));
  const next = async (seed: string, options: Record<string, unknown>) => (await randomStrategy({ seed }).next(many, options))!.id;
  expect(await next("1", { seed: 2 })).toBe(await next("2", {}));
  expect(await next("1", { seed: "2" })).toBe(await next("2", {}));
});

test("first and last are so by id", async () => {
  expect(await firstStrategy().next(pool({ b: null, a: null }), {})).toEqual({ id: "a" });
  expect(await lastStrategy().next(pool({ b: null, a: null }), {})).toEqual({ id: "b" });
});

test("nothing to label is null", async () => {
  for (const strategy of [firstStrategy(), lastStrategy(), randomStrategy(), randomStrategy({ seed: "1" })]) {
    expect(await strategy.next(pool({}), {})).toBeNull();
  }
});
