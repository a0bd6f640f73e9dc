import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { DoubleNetworks, diskSource, doubleSettings } from "../../../../test/engine/double.js";
import { LimnetError } from "../../../errors.js";
import { permanentSlices } from "./encode.js";
import { FeatureCache } from "./features.js";
import { hasMask } from "./plane.js";
import { type PropagateInput, propagate } from "./propagate.js";

const radius = 8;
const still = (count: number) => Array.from({ length: count }, () => ({ row: 30, col: 30, radius }));

/** Runs a propagation over disks; the disk itself is the prompt on each of `prompts`, `walls` are empty prompts. */
async function run(disks: Parameters<typeof diskSource>[2], prompts: number[], extra: Partial<PropagateInput> & { walls?: number[]; rows?: number } = {}) {
  const { walls = [], rows = 64, ...rest } = extra;
  const { source, prompt, planes } = diskSource(rows, rows, disks);
  const networks = new DoubleNetworks();
  const map = new Map(prompts.map((slice) => [slice, prompt(slice)]));
  for (const wall of walls) map.set(wall, new Float32Array(rows * rows));
  const order: number[] = [];
  const result = await propagate({
    networks, source, cache: new FeatureCache(), prompts: map, clicked: prompts[0] ?? walls[0], mode: "permanent",
    onSlice: (index) => order.push(index), ...rest,
  });
  return { ...result, networks, order, truth: planes, filled: result.planes.flatMap((plane, n) => (hasMask(plane) ? [n] : [])) };
}

function digest(planes: readonly (Uint8Array | null)[]): string {
  const hash = createHash("sha256");
  for (const plane of planes) hash.update(plane ?? "empty");
  return hash.digest("hex");
}

/** Worst Dice of the slices against their disks. */
function worst(planes: readonly (Uint8Array | null)[], truth: readonly Uint8Array[]): number {
  return Math.min(...planes.map((plane, n) => {
    let both = 0;
    let sum = 0;
    truth[n].forEach((v, i) => {
      const a = v > 0;
      const b = plane !== null && plane[i] >= 128;
      if (a && b) both++;
      sum += Number(a) + Number(b);
    });
    return (2 * both) / sum;
  }));
}

describe("propagate", () => {
  it("carries a prompt to all slices, outward by turns, and reports each once", async () => {
    const { filled, order, planes, truth, decoded } = await run(still(9), [4]);
    expect(filled).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(order).toEqual([4, 5, 3, 6, 2, 7, 1, 8, 0]);
    expect(decoded).toBe(8);
    expect(worst(planes, truth)).toBeGreaterThan(0.98);
  });

  it("ends a direction after stopAfter empty slices", async () => {
    const disks = [...still(5), ...Array.from({ length: 8 }, () => null), ...still(3)];
    const { filled, decoded, order } = await run(disks, [2]);
    expect(filled).toEqual([0, 1, 2, 3, 4]);
    expect(decoded).toBe(2 + 2 + doubleSettings.propagation.stopAfter);
    expect(order.length).toBe(16);
  });

  it("ends at a prompt without an object", async () => {
    expect((await run(still(12), [3], { walls: [7] })).filled).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect((await run(still(12), [3], { walls: [7], gaps: "through" })).filled).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect((await run(still(12), [3, 11], { walls: [7] })).filled).toEqual([0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11]);
  });

  it("goes from the other prompts when the clicked one is empty", async () => {
    for (const gaps of ["blend", "nearest", "through"] as const) {
      const { filled } = await run(still(12), [3, 10], { walls: [6], clicked: 6, gaps });
      expect(filled).toEqual([0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11]);
    }
    expect((await run(still(5), [], { walls: [2] })).filled).toEqual([]);
  });

  it("reaches what lies around every prompt, also beyond where the object is gone", async () => {
    const disks = [...still(5), ...Array.from({ length: 8 }, () => null), ...still(4)];
    for (const gaps of ["blend", "nearest", "through"] as const) {
      const { filled } = await run(disks, [2, 15], { gaps });
      expect(filled).toEqual([0, 1, 2, 3, 4, 13, 14, 15, 16]);
    }
  });

  it("lets a direction that lost the object in a gap not outvote the one that still has it", async () => {
    const disks = [...still(3), null, null, null, null, ...still(3)].map((disk, n) => (n === 3 ? { row: 30, col: 30, radius } : disk));
    const { planes } = await run(disks, [0, 9]);
    const sure = Math.round(Math.fround(0.9) * 255);
    // From 9 the object ends at slice 7 and the direction stops; slices 1 to 3 are known from 0 alone.
    for (const n of [1, 2, 3, 7, 8]) expect(planes[n]?.[30 * 64 + 30]).toBe(sure);
    for (const n of [4, 5, 6]) expect(hasMask(planes[n])).toBe(false);
  });

  it("uses only the clicked slice in literal mode", async () => {
    const { filled, networks } = await run(still(8), [1], { mode: "literal", walls: [4] });
    expect(filled).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(networks.calls.decode).toBe(7);
  });

  it("gives backward what a reversed volume gives forward (acceptance f)", async () => {
    const disks = Array.from({ length: 40 }, (_, n) => ({ row: 25 + n / 4, col: 30 + Math.sin(n / 3) * 4, radius: 5 + (n % 7) }));
    for (const prompts of [[7], [7, 30], [12, 19, 33]]) {
      for (const gaps of ["blend", "nearest", "through"] as const) {
        const forward = await run(disks, prompts, { gaps });
        const backward = await run(disks.slice().reverse(), prompts.map((p) => 39 - p), { gaps });
        expect(digest(backward.planes.slice().reverse())).toBe(digest(forward.planes));
      }
    }
  });

  it("follows an object that leaves the region, at most four times", async () => {
    const disks = Array.from({ length: 21 }, (_, n) => ({ row: 30 + n, col: 30, radius }));
    const { planes, truth } = await run(disks, [0], { rows: 128 });
    expect(worst(planes, truth)).toBeGreaterThan(0.8);
    const fast = await run(disks.map((disk, n) => ({ ...disk, row: 30 + 4 * n })), [0], { rows: 128 });
    expect(fast.filled.length).toBeLessThan(21);
    expect(fast.networks.calls.decode).toBe(fast.decoded + 4);
  });

  it("runs no key graph again on what the cache holds, and answers the same", async () => {
    const cache = new FeatureCache();
    const first = await run(still(9), [4], { cache });
    const second = await run(still(9), [4], { cache });
    expect(first.networks.calls.key).toBe(9);
    expect(second.networks.calls.key).toBeUndefined();
    expect(digest(second.planes)).toBe(digest(first.planes));
    const tiny = await run(still(9), [4], { cache: new FeatureCache(1) });
    expect(digest(tiny.planes)).toBe(digest(first.planes));
  });

  it("is cancelled between two slices", async () => {
    const abort = new AbortController();
    const reached: number[] = [];
    const stopped = run(still(9), [4], { signal: abort.signal, onSlice: (index) => {
      reached.push(index);
      if (reached.length === 3) abort.abort(new LimnetError("engine_cancelled", "The user went on."));
    } });
    await expect(stopped).rejects.toMatchObject({ code: "engine_cancelled" });
    expect(reached).toEqual([4, 5, 3]);
  });
});

describe("permanent block", () => {
  it("keeps the sixteen prompts nearest to the clicked slice and no empty one", () => {
    const prompts = new Map(Array.from({ length: 20 }, (_, n) => [n * 2, n === 9 ? null : Uint8Array.of(255)] as const));
    const kept = permanentSlices(prompts, 0);
    expect(kept).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 20, 22, 24, 26, 28, 30, 32]);
  });
});

describe("feature cache", () => {
  it("never holds more than its budget and lets go of what was unused longest", () => {
    const part = { data: new Float32Array(1), dims: [1] };
    const features = { image: part, f8: part, key: part, shrinkage: part, selection: part };
    const cache = new FeatureCache(20 * 2);
    cache.set("a", features);
    cache.set("b", features);
    cache.get("a");
    cache.set("c", features);
    expect([cache.get("a"), cache.get("b"), cache.get("c")]).toEqual([features, undefined, features]);
    expect(cache.bytes).toBe(40);
    cache.clear();
    expect(cache.bytes).toBe(0);
  });
});
