import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Shape } from "../../imaging/geometry.js";
import { dice, overlap } from "../../imaging/scores.js";
import { readSlice } from "../../imaging/slices.js";
import type { Task } from "../protocol.js";
import { copyNearest, interpolate } from "./interpolate.js";
import { checkPython, randomWalker, seedsOf } from "./walker.js";

const shape: Shape = [24, 20, 11];

/** A cone across k: radius 2 in slice 1 to 8 in slice 9. */
const truth = Uint8Array.from({ length: 24 * 20 * 11 }, (_, n) => {
  const [i, j, k] = [n % 24, Math.floor(n / 24) % 20, Math.floor(n / 480)];
  return k >= 1 && k <= 9 && Math.hypot(i - 12, j - 10) <= 2 + (6 * (k - 1)) / 8 ? 1 : 0;
});
const task: Task = { shape, axis: 2, truth };
const slice = (mask: Uint8Array, k: number) => readSlice(mask, shape, 2, k);
const likeness = (mask: Uint8Array, k: number) => dice(overlap(slice(truth, k), slice(mask, k)));

describe("shape interpolation", () => {
  it("fills between outlines with shapes in between, keeps the outlines and leaves what is beyond them empty", () => {
    const mask = interpolate(task, [9, 2]);
    expect(slice(mask, 2)).toEqual(slice(truth, 2));
    expect(slice(mask, 9)).toEqual(slice(truth, 9));
    for (let k = 3; k < 9; k++) expect(likeness(mask, k)).toBeGreaterThan(0.8);
    for (const k of [0, 1, 10]) expect(slice(mask, k).some(Boolean)).toBe(false);
  });

  it("gives one outline alone back", () => {
    expect(interpolate(task, [5])).toEqual(Uint8Array.from(truth, (v, n) => (Math.floor(n / 480) === 5 ? v : 0)));
  }, 120_000);
});

describe("copying", () => {
  it("puts the nearest outline on every slice of the object, and ends where the object ends", () => {
    const mask = copyNearest(task, [3, 8]);
    expect(slice(mask, 1)).toEqual(slice(truth, 3));
    expect(slice(mask, 5)).toEqual(slice(truth, 3));
    expect(slice(mask, 6)).toEqual(slice(truth, 8));
    for (const k of [0, 10]) expect(slice(mask, k).some(Boolean)).toBe(false);
    expect(copyNearest(task, []).some(Boolean)).toBe(false);
  }, 120_000);
});

describe("the random walker of scikit-image", () => {
  const python = fileURLToPath(new URL("../../../.cache/judges/bin/python", import.meta.url));
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "limnet-walker-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("has disks around clicks, outlined slices and the border of the slices as seeds", () => {
    const seeds = seedsOf(task, { clicks: [{ slice: 5, row: 10, col: 12, positive: true }, { slice: 5, row: 4, col: 12, positive: false }], drawn: [2] });
    const at = (i: number, j: number, k: number) => seeds[i + 24 * (j + 20 * k)];
    expect([at(12, 10, 5), at(12, 12, 5), at(13, 12, 5)]).toEqual([1, 1, 0]);
    expect([at(12, 4, 5), at(0, 10, 5), at(12, 19, 0), at(12, 10, 0)]).toEqual([2, 2, 2, 0]);
    expect(slice(seeds, 2)).toEqual(slice(truth, 2).map((v) => (v ? 1 : 2)));
  });

  it("finds a bright cone from one click and from one outline, and leaves nothing behind", async () => {
    const grey = truth.map((v, n) => (v ? 180 : 60) + (n % 7));
    const clicked = await randomWalker(python, grey, task, { clicks: [{ slice: 5, row: 10, col: 12, positive: true }], drawn: [] }, [1, 1, 2], join(folder, "work"));
    expect(dice(overlap(truth, clicked))).toBeGreaterThan(0.9);
    const drawn = await randomWalker(python, grey, task, { clicks: [], drawn: [5] }, [1, 1, 2], join(folder, "work"));
    expect(dice(overlap(truth, drawn))).toBeGreaterThan(0.9);
    expect(await readdir(folder)).toEqual([]);
  }, 120_000);

  it("says what it needs where that is missing", async () => {
    const work = randomWalker(join(folder, "python"), truth, task, { clicks: [], drawn: [5] }, [1, 1, 1], join(folder, "work"));
    await expect(work).rejects.toThrow(/--python .* scikit-image/);
    await expect(checkPython(join(folder, "python"))).rejects.toThrow(/--python .* scikit-image/);
    await expect(checkPython(python)).resolves.toBeUndefined();
  }, 120_000);
});
