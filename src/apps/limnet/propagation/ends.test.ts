import { describe, expect, it } from "vitest";
import { type Outline, taperedEnds } from "./ends.js";

/** Cross-sections of a ball of `radius` around slice `centre`, on the given slices. */
const ball = (centre: number, radius: number, slices: number[]): Outline[] =>
  slices.map((slice) => ({ slice, area: Math.round(Math.PI * (radius ** 2 - (slice - centre) ** 2)) }));

const open = { low: -Infinity, high: Infinity };

describe("taperedEnds", () => {
  it("ends a ball a quarter and a slice beyond where its areas come down to nothing", () => {
    // The ball covers slices 20 to 40; from the outermost outlines (23, 37) that is 3 slices, so 23 - 1 - 3.75 is the last that may hold something.
    expect(taperedEnds(ball(30, 10, [23, 30, 37]))).toEqual({ low: 18, high: 42 });
  });

  it("never cuts what the curve itself holds, whatever part of the ball was outlined, in any order", () => {
    for (const slices of [[25, 21, 30], [30, 38, 35], [22, 26, 30, 34, 38], [39, 21, 30]]) {
      const { low, high } = taperedEnds(ball(30, 10, slices));
      expect(low).toBeLessThan(20);
      expect(high).toBeGreaterThan(40);
    }
  });

  it("says nothing of a side where no taper was seen yet", () => {
    expect(taperedEnds(ball(30, 10, [21, 25, 30]))).toEqual({ low: 18, high: Infinity });
  });

  it("says nothing of clicks on slices that lie close together", () => {
    expect(taperedEnds([{ slice: 10, area: 60 }, { slice: 11, area: 100 }, { slice: 13, area: 40 }])).toEqual(open);
  });

  it("says nothing of fewer than three outlines", () => {
    expect(taperedEnds([])).toEqual(open);
    expect(taperedEnds(ball(30, 10, [23, 37]))).toEqual(open);
  });

  it("says nothing of a tube, of one with a waist, and of what widens ever faster", () => {
    const outlines = (...areas: number[]) => areas.map((area, n) => ({ slice: 10 * n, area }));
    expect(taperedEnds(outlines(100, 100, 100))).toEqual(open);
    expect(taperedEnds(outlines(100, 60, 90))).toEqual(open);
    expect(taperedEnds(outlines(10, 40, 160))).toEqual(open);
  });

  it("says nothing of a tube of uneven width", () => {
    expect(taperedEnds([{ slice: 10, area: 96 }, { slice: 20, area: 101 }, { slice: 30, area: 95 }])).toEqual(open);
  });

  it("leaves a tenth of the outlined length at least where the curve ends before the outermost outline", () => {
    const { low, high } = taperedEnds([5, 400, 420, 400, 5].map((area, n) => ({ slice: 10 * n, area })));
    expect(low).toBeLessThanOrEqual(-6);
    expect(high).toBeGreaterThanOrEqual(46);
  });
});
