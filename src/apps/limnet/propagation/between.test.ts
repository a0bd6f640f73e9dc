import { describe, expect, it } from "vitest";
import { withShapes } from "./between.js";
import { maskFrom, type StoredPlane } from "./plane.js";

const [rows, cols] = [40, 50];
const plane = (inside: (r: number, c: number) => boolean, value = 255): Uint8Array =>
  Uint8Array.from({ length: rows * cols }, (_, i) => (inside(Math.floor(i / cols), i % cols) ? value : 0));
const disk = (row: number, col: number, radius: number, value = 255) => plane((r, c) => Math.hypot(r - row, c - col) <= radius, value);
const ring = (row: number, col: number) => plane((r, c) => Math.abs(Math.hypot(r - row, c - col) - 8) <= 0.7);
const area = (data: StoredPlane) => Array.from(data ?? []).filter((p) => p >= maskFrom).length;
const middle = (data: StoredPlane) => {
  const inside = [...data!].flatMap((p, i) => (p >= maskFrom ? [i % cols] : []));
  return inside.reduce((sum, c) => sum + c, 0) / inside.length;
};
const between = (planes: StoredPlane[], prompts: number[], right = prompts) => withShapes(planes, prompts, new Set(right), { rows, cols }, { share: 0.7, softness: 1.5, leastArea: 0.7 });

describe("between two slices that are right", () => {
  it("what was lost is made of their shapes, which grow and move from one to the other", () => {
    const out = between([disk(20, 15, 5), null, null, null, disk(20, 31, 9)], [0, 4]);
    const areas = out.map(area);
    expect(areas).toEqual([...areas].sort((a, b) => a - b));
    expect(Math.sqrt(areas[2] / Math.PI)).toBeCloseTo(7, 0);
    expect(out.map(middle).map(Math.round)).toEqual([15, 19, 23, 27, 31]);
  });

  it("what was propagated still counts, less than the shapes", () => {
    const [, kept] = between([disk(20, 20, 6), disk(20, 20, 6), disk(20, 20, 6)], [0, 2]);
    expect(area(kept) / area(disk(20, 20, 6))).toBeCloseTo(1, 1);
    const [, leaked] = between([disk(20, 20, 6), disk(20, 20, 15), disk(20, 20, 6)], [0, 2]);
    expect(Math.sqrt(area(leaked) / Math.PI)).toBeLessThan(8);
    expect(Math.abs(leaked![20 * cols + 33] - 0.3 * 255)).toBeLessThan(4);
  });

  it("prompts and slices beyond them stay as they are", () => {
    const planes = [disk(9, 9, 3), disk(20, 20, 6), null, disk(20, 20, 6), disk(9, 9, 3)];
    const out = between(planes, [1, 3]);
    for (const slice of [0, 1, 3, 4]) expect(out[slice]).toBe(planes[slice]);
  });

  it("nothing changes beside a slice of one click, an emptied one, or where a prompt lies between", () => {
    const planes = [disk(20, 20, 6), null, disk(20, 20, 6)];
    expect(between(planes, [0, 2], [0])).toEqual(planes);
    expect(between([disk(20, 20, 6), null, disk(20, 20, 6, 100)], [0, 2])[1]).toBe(null);
    expect(between(planes, [0, 1, 2])).toEqual(planes);
  });

  it("nothing changes where the shapes do not lie on each other", () => {
    const planes = [ring(20, 20), disk(20, 20, 4), plane((r, c) => r === 20 || c === 5)];
    expect(between(planes, [0, 2])[1]).toBe(planes[1]);
  });
});
