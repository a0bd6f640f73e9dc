import { describe, expect, it } from "vitest";
import { doubleSettings } from "../../../../test/engine/double.js";
import { regionAround, regionFollowing } from "./region.js";

const settings = { ...doubleSettings.propagation, sizes: [128, 256], region: { expansion: 1.75, minSide: 32 } };
const slice = { rows: 512, cols: 400 };

describe("region", () => {
  it("is a centred square with room around the prompts' box", () => {
    const region = regionAround({ top: 100, left: 200, bottom: 199, right: 239 }, slice, settings);
    expect(region.side).toBeGreaterThanOrEqual(175);
    expect(region.side).toBeLessThan(190);
    expect(Math.abs(region.row + region.side / 2 - 150)).toBeLessThanOrEqual(8);
    expect(Math.abs(region.col + region.side / 2 - 220)).toBeLessThanOrEqual(8);
    expect(region.size).toBe(128);
  });

  it("takes the input size that does not shrink it below two thirds, else the largest", () => {
    const sized = (box: number) => regionAround({ top: 0, left: 0, bottom: box - 1, right: 0 }, slice, settings).size;
    expect([sized(10), sized(109), sized(112), sized(400)]).toEqual([128, 128, 256, 256]);
  });

  it("is at least minSide and at most the whole slice", () => {
    expect(regionAround({ top: 9, left: 9, bottom: 9, right: 9 }, slice, settings).side).toBe(32);
    const all = { row: 0, col: -56, side: 512, size: 256 };
    expect(regionAround({ top: 0, left: 0, bottom: 500, right: 10 }, slice, settings)).toEqual(all);
    expect(regionAround(null, slice, settings)).toEqual(all);
  });

  it("stays when the box changes by a pixel, so that cached features serve the next round", () => {
    const a = regionAround({ top: 100, left: 200, bottom: 197, right: 239 }, slice, settings);
    const b = regionAround({ top: 100, left: 201, bottom: 198, right: 239 }, slice, settings);
    expect(b).toEqual(a);
  });

  it("moves when a mask comes near its border, but not where the slice ends there", () => {
    const region = { row: 0, col: 100, side: 96, size: 128 };
    const at = (top: number, left: number) => regionFollowing(region, { top, left, bottom: top + 20, right: left + 20 }, slice, settings);
    expect(at(0, 140)).toBeNull();
    expect(at(40, 140)).toBeNull();
    const moved = at(40, 102);
    expect(moved).not.toBeNull();
    expect(moved!.side).toBeGreaterThanOrEqual(96);
    expect(Math.abs(moved!.col + moved!.side / 2 - 112.5)).toBeLessThanOrEqual(4);
  });

  it("grows by 1.3 at least when the mask fills it, and not beyond the slice", () => {
    const region = { row: 100, col: 100, side: 96, size: 128 };
    const grown = regionFollowing(region, { top: 101, left: 110, bottom: 180, right: 180 }, slice, settings);
    expect(grown!.side).toBeGreaterThanOrEqual(96 * 1.3);
    const whole = regionAround(null, slice, settings);
    expect(regionFollowing(whole, { top: 0, left: 0, bottom: 511, right: 399 }, slice, settings)).toBeNull();
  });
});
