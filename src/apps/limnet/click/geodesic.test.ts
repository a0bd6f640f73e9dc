import { expect, test } from "vitest";
import { smooth } from "../denoise.js";
import { geodesicDistance, geodesicMap } from "./geodesic.js";

const size = 16;
const flat = new Float64Array(size * size).fill(0.5);

/** Left half dark, right half bright. */
const step = Float32Array.from({ length: size * size }, (_, i) => (i % size < size / 2 ? 0.2 : 0.8));

test("smoothing is [1 2 1]/4 in both directions with replicated edges", () => {
  const image = new Float32Array(size * size);
  image[5 * size + 5] = 16;
  image[0] = 16;
  const out = smooth(image, size);
  expect([out[5 * size + 5], out[5 * size + 6], out[6 * size + 6], out[5 * size + 7]]).toEqual([4, 2, 1, 0]);
  expect([out[0], out[1], out[size + 1]]).toEqual([9, 3, 1]);
});

test("on a flat picture distance is that of steps along rows, columns and diagonals", () => {
  const d = geodesicDistance(flat, size, [{ row: 4, col: 4 }], 30);
  expect(d[4 * size + 4]).toBe(0);
  expect(d[4 * size + 9]).toBe(5);
  expect(d[7 * size + 7]).toBeCloseTo(3 * Math.SQRT2, 12);
  expect(d[0]).toBeCloseTo(4 * Math.SQRT2, 12);
  expect(d[6 * size + 0]).toBeCloseTo(2 + 2 * Math.SQRT2, 12);
});

test("an edge of the picture costs its weight", () => {
  const smoothed = smooth(step, size);
  const d = geodesicDistance(smoothed, size, [{ row: 8, col: 3 }], 100);
  expect(d[8 * size + 12]).toBeCloseTo(9 + 100 * (smoothed[8 * size + 12] - smoothed[8 * size + 3]), 9);
  expect(d[8 * size + 0]).toBe(3);
});

test("seeds are rounded half up and clamped into the view", () => {
  expect(geodesicDistance(flat, size, [{ row: 4.5, col: 3.49 }], 1)[5 * size + 3]).toBe(0);
  expect(geodesicDistance(flat, size, [{ row: -40, col: 99 }], 1)[size - 1]).toBe(0);
});

test("the map is exp(-d / scale), the nearest seed counts, and no seed is all zeros", () => {
  const map = geodesicMap(flat, size, [{ row: 4, col: 4 }, { row: 4, col: 10 }], { weight: 1, scale: 8 });
  expect(map[4 * size + 4]).toBe(1);
  expect(map[4 * size + 9]).toBeCloseTo(Math.exp(-1 / 8), 6);
  expect(geodesicMap(flat, size, [], { weight: 1, scale: 8 }).every((x) => x === 0)).toBe(true);
});

test("the scans are the raster scans of the definition, two rounds, to the last bit", () => {
  let seed = 7;
  const image = Float32Array.from({ length: size * size }, () => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed / 2147483648;
  });
  const smoothed = smooth(image, size);
  const seeds = [{ row: 2, col: 13 }, { row: 11, col: 1 }];
  expect(geodesicDistance(smoothed, size, seeds, 60)).toEqual(literal(smoothed, seeds, 60));
});

/** The definition, written as plainly as possible. */
function literal(image: Float64Array, seeds: { row: number; col: number }[], weight: number): Float64Array {
  const d = new Float64Array(size * size).fill(1e6);
  for (const { row, col } of seeds) d[row * size + col] = 0;
  const forward = [[0, -1], [-1, -1], [-1, 0], [-1, 1]];
  const backward = forward.map(([r, c]) => [-r, -c]);
  const order = Array.from({ length: size * size }, (_, i) => i);
  for (let n = 0; n < 2; n++) {
    for (const [pixels, neighbours] of [[order, forward], [[...order].reverse(), backward]] as const) {
      for (const p of pixels) {
        for (const [dr, dc] of neighbours) {
          const r = Math.floor(p / size) + dr;
          const c = (p % size) + dc;
          if (r < 0 || c < 0 || r >= size || c >= size) continue;
          const q = r * size + c;
          const length = dr !== 0 && dc !== 0 ? Math.SQRT2 : 1;
          d[p] = Math.min(d[p], d[q] + (length + weight * Math.abs(image[p] - image[q])));
        }
      }
    }
  }
  return d;
}
