import { describe, expect, test } from "vitest";
import { denoised, denoisedSource, noiseOf, noiseOfScan, passesFor } from "./denoise.js";
import type { SliceSource } from "./propagation/features.js";
import type { Plane } from "./view.js";

const side = 64;

/** Numbers from 0 to 1, the same for the same seed. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Grey values by a function of row and column, with Gaussian noise. */
function scene(value: (r: number, c: number) => number, sigma: number, seed = 1): Plane<Uint8Array> {
  const random = numbers(seed);
  const gauss = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const data = Uint8Array.from({ length: side * side }, (_, i) => Math.round(value(Math.floor(i / side), i % side) + sigma * gauss()));
  return { data, rows: side, cols: side };
}
const spread = ({ data }: Plane<Uint8Array>) => {
  const mean = data.reduce((sum, v) => sum + v, 0) / data.length;
  return Math.sqrt(data.reduce((sum, v) => sum + (v - mean) ** 2, 0) / data.length);
};

describe("the noise of a slice", () => {
  test.each([2, 5, 12])("is found on a flat one: %d", (sigma) => {
    const found = noiseOf([scene(() => 120, sigma)]);
    expect(found).toBeGreaterThan(0.85 * sigma);
    expect(found).toBeLessThan(1.15 * sigma);
  });

  test("is found beside slopes and edges", () => {
    const found = noiseOf([scene((r, c) => (c < 20 ? 60 : 160) + 0.5 * r, 5)]);
    expect(found).toBeGreaterThan(4);
    expect(found).toBeLessThan(6);
  });

  test("is none where there is none, and where nothing lies inside the window", () => {
    expect(noiseOf([scene((r, c) => 60 + r + c, 0)])).toBe(0);
    expect(noiseOf([scene(() => 0, 0), scene(() => 255, 0)])).toBe(0);
  });

  test("of a scan is judged by slices all over it, and by all of a thin one", () => {
    const asked: number[] = [];
    const plane = (index: number) => {
      asked.push(index);
      return scene(() => 100, 6, index + 1);
    };
    expect(noiseOfScan({ count: 90, plane })).toBeCloseTo(6, 0);
    expect(asked).toEqual([5, 15, 25, 35, 45, 55, 65, 75, 85]);
    asked.length = 0;
    noiseOfScan({ count: 2, plane });
    expect(asked).toEqual([0, 1]);
  });
});

describe("a slice without much of its noise", () => {
  test("keeps flat parts and has less noise with each pass", () => {
    const before = scene(() => 120, 8);
    const [once, twice] = [denoised(before, 1), denoised(before, 2)];
    expect(spread(once)).toBeLessThan(0.45 * spread(before));
    expect(spread(twice)).toBeLessThan(0.85 * spread(once));
    expect(denoised(scene(() => 120, 0), 2).data.every((v) => v === 120)).toBe(true);
  });

  test("is one of (1 2 1) / 4 along rows and columns, with the border repeated", () => {
    const data = new Uint8Array(9);
    data[4] = 160;
    expect([...denoised({ data, rows: 3, cols: 3 }, 1).data]).toEqual([10, 20, 10, 20, 40, 20, 10, 20, 10]);
    const corner = new Uint8Array(9);
    corner[0] = 160;
    expect([...denoised({ data: corner, rows: 3, cols: 3 }, 1).data]).toEqual([90, 30, 0, 30, 10, 0, 0, 0, 0]);
  });

  test("is the slice itself where nothing is to be done", () => {
    const plane = scene(() => 120, 8);
    expect(denoised(plane, 0)).toBe(plane);
  });
});

describe("how often", () => {
  const settings = { minObject: 32, noise: [3, 6], clicks: 2 };

  test("goes by the noise, for objects that are large enough", () => {
    expect([2.9, 3, 5.9, 6, 40].map((noise) => passesFor(noise, 50, settings))).toEqual([0, 1, 1, 2, 2]);
    expect(passesFor(40, 31, settings)).toBe(0);
    expect(passesFor(40, 50, undefined)).toBe(0);
  });

  test("a source says by its identity what its slices are", () => {
    const source: SliceSource = { count: 3, rows: side, cols: side, identity: "scan", noise: 8, plane: () => scene(() => 120, 8) };
    const smoothed = denoisedSource(source, 50, settings);
    expect(smoothed.identity).not.toBe(source.identity);
    expect(spread(smoothed.plane(0))).toBeLessThan(0.5 * spread(source.plane(0)));
    expect(denoisedSource(source, 20, settings)).toBe(source);
    const unknown = { ...source, noise: undefined };
    expect(denoisedSource(unknown, 50, settings)).toBe(unknown);
  });
});
