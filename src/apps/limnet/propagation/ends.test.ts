import { describe, expect, it } from "vitest";
import { endsOf } from "./ends.js";

/** A prompt of so many pixels. */
const prompt = (area: number) => Float32Array.from({ length: 400 }, (_, at) => (at < area ? 1 : 0));
const prompts = (areas: Record<number, number>) => new Map(Object.entries(areas).map(([slice, area]) => [Number(slice), prompt(area)]));
const ends = (areas: Record<number, number>, drawn = Object.keys(areas).map(Number)) => endsOf(prompts(areas), new Set(drawn));
/** Cross-sections of an ellipsoid with its middle on slice 20, which reaches 10 slices to either side. */
const section = (slice: number) => 3 * (100 - (slice - 20) ** 2);

describe("the ends of an object that was outlined on some slices", () => {
  it("lie where the parabola of the areas comes down to nothing, a quarter of the way and a slice later", () => {
    // From slice 14 four slices to the end at 10, from 24 six to the one at 30.
    expect(ends({ 14: section(14), 20: section(20), 24: section(24) })).toEqual([14 - 6, 24 + 9]);
  });

  it("are fitted to more than three outlines", () => {
    const [first, last] = ends({ 12: section(12) + 4, 16: section(16) - 4, 20: section(20) + 4, 24: section(24) - 4, 28: section(28) + 4 });
    expect(first).toBeGreaterThanOrEqual(7);
    expect(first).toBeLessThanOrEqual(9);
    expect(40 - last).toBe(first);
  });

  it("cannot be told from two outlines, from an object that grows towards both sides, or from equal areas", () => {
    expect(ends({ 14: 50, 20: 90 })).toEqual([]);
    expect(ends({ 14: 90, 20: 50, 24: 90 })).toEqual([]);
    expect(ends({ 14: 90, 20: 90, 24: 90 })).toEqual([]);
  });

  it("cannot be told from slices that are close together, nor farther away than the outlines reach", () => {
    expect(ends({ 19: 100, 20: 110, 21: 95 })).toEqual([]);
    expect(ends({ 17: 297, 20: 300, 23: 297 })).toEqual([]);
  });

  it("count outlines that hold the object, and no clicked slice", () => {
    expect(ends({ 14: section(14), 20: section(20), 24: section(24), 26: 0 })).toEqual([8]);
    expect(ends({ 14: section(14), 20: section(20), 24: section(24) }, [14, 20])).toEqual([]);
  });

  it("are left alone on a side where something beyond the outlines was clicked", () => {
    expect(ends({ 5: 20, 14: section(14), 20: section(20), 24: section(24) }, [14, 20, 24])).toEqual([33]);
  });
});
