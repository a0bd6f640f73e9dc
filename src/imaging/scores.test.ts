import { describe, expect, it } from "vitest";
import { bootstrap, random } from "../evaluate/bootstrap.js";
import { dice, iou, overlap, percentile, surfaceScores } from "./scores.js";

function cube(shape: readonly [number, number, number], low: number, high: number, shift = 0): Uint8Array {
  const out = new Uint8Array(shape[0] * shape[1] * shape[2]);
  for (let k = low; k <= high; k++) {
    for (let j = low; j <= high; j++) for (let i = low + shift; i <= high + shift; i++) out[i + shape[0] * (j + shape[1] * k)] = 1;
  }
  return out;
}

describe("overlap scores", () => {
  it("counts any value but zero as object", () => {
    const count = overlap([0, 1, 255, 1], [0, 1, 1, 0]);
    expect(dice(count)).toBeCloseTo(0.8);
    expect(iou(count)).toBeCloseTo(2 / 3);
  });

  it("is 1 where both are empty and 0 where one is", () => {
    expect([dice(overlap([0, 0], [0, 0])), iou(overlap([0, 0], [0, 0]))]).toEqual([1, 1]);
    expect([dice(overlap([0, 1], [0, 0])), dice(overlap([0, 0], [1, 0]))]).toEqual([0, 0]);
  });
});

describe("surfaceScores", () => {
  const shape = [20, 12, 12] as const;

  it("is perfect for equal masks", () => {
    const a = cube(shape, 3, 8);
    expect(surfaceScores(a, a, shape, [1, 1, 1])).toEqual({ nsd: 1, hd95: 0 });
  });

  it("measures a shift in millimetres along the axis of the shift", () => {
    const a = cube(shape, 2, 9);
    const b = cube(shape, 2, 9, 3);
    expect(surfaceScores(a, b, shape, [1, 1, 1]).hd95).toBe(3);
    expect(surfaceScores(a, b, shape, [2, 1, 1]).hd95).toBe(6);
    expect(surfaceScores(a, b, shape, [0.5, 1, 1]).nsd).toBe(1);
    expect(surfaceScores(a, b, shape, [1, 1, 1]).nsd).toBeLessThan(1);
  });

  it("says what an empty mask is worth", () => {
    const a = cube(shape, 3, 8);
    const none = new Uint8Array(a.length);
    expect(surfaceScores(a, none, shape, [1, 1, 1])).toEqual({ nsd: 0, hd95: null });
    expect(surfaceScores(none, none, shape, [1, 1, 1])).toEqual({ nsd: 1, hd95: 0 });
  });
});

describe("bootstrap", () => {
  it("gives the same interval for the same seed, around the mean", () => {
    const next = random(1);
    const values = Array.from({ length: 40 }, () => next());
    const one = bootstrap(values, 5);
    expect(bootstrap(values, 5)).toEqual(one);
    expect(one.low).toBeLessThan(one.mean);
    expect(one.high).toBeGreaterThan(one.mean);
    // Standard error 0.289 / sqrt(40) = 0.046: the interval is about four of them wide.
    expect(one.high - one.low).toBeGreaterThan(0.12);
    expect(one.high - one.low).toBeLessThan(0.24);
  });

  it("draws the scans of a patient together", () => {
    const values = [0, 0, 0, 1, 1, 1];
    const alone = bootstrap(values, 1);
    const together = bootstrap(values, 1, ["a", "a", "a", "b", "b", "b"]);
    expect([together.low, together.high]).toEqual([0, 1]);
    expect(alone.high - alone.low).toBeLessThan(1);
  });

  it("has no answer without values", () => {
    expect(bootstrap([], 1).mean).toBeNaN();
  });
});

describe("percentile", () => {
  it("lies between ranks as numpy does", () => {
    expect(percentile([1, 2, 3, 4], 0.95)).toBeCloseTo(3.85);
    expect(percentile([7], 0.95)).toBe(7);
  });
});
