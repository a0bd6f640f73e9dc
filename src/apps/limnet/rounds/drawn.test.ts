import { describe, expect, it } from "vitest";
import type { Axis, Shape, Voxel } from "../../../imaging/geometry.js";
import { axisOfOutlines, mendsIn, outlinesIn, strokeClicks } from "./drawn.js";

const shape: Shape = [30, 20, 40];
const at = ([i, j, k]: Voxel) => i + shape[0] * (j + shape[1] * k);
/** Boxes [from, to) of ones. */
function boxes(...all: readonly (readonly [Voxel, Voxel])[]): Uint8Array {
  const mask = new Uint8Array(shape[0] * shape[1] * shape[2]);
  for (const [from, to] of all) {
    for (let k = from[2]; k < to[2]; k++) for (let j = from[1]; j < to[1]; j++) for (let i = from[0]; i < to[0]; i++) mask[at([i, j, k])] = 1;
  }
  return mask;
}
const onSlices = (...slices: number[]) => boxes(...slices.map((k): [Voxel, Voxel] => [[5, 5, k], [12, 11, k + 1]]));

describe("the prompts of a mask", () => {
  it("are all its slices where some are missing between them", () => {
    expect(outlinesIn(onSlices(4, 12, 13, 30), shape, 2)).toEqual({ slices: [4, 12, 13, 30], prompts: [4, 12, 13, 30], sparse: true });
  });

  it("are all of three slices or fewer, though none is missing between them", () => {
    expect(outlinesIn(onSlices(4), shape, 2)).toMatchObject({ prompts: [4], sparse: true });
    expect(outlinesIn(onSlices(4, 5, 6), shape, 2)).toMatchObject({ prompts: [4, 5, 6], sparse: true });
  });

  it("are three of a whole object", () => {
    const whole = Array.from({ length: 21 }, (_, n) => n + 10);
    expect(outlinesIn(onSlices(...whole), shape, 2)).toEqual({ slices: whole, prompts: [13, 20, 27], sparse: false });
  });

  it("are three of very many slices with a gap", () => {
    const slices = Array.from({ length: 40 }, (_, n) => n).filter((n) => n !== 7);
    expect(outlinesIn(onSlices(...slices), shape, 2)).toMatchObject({ sparse: true, prompts: [6, 20, 33] });
  });

  it("are none of an empty mask", () => {
    expect(outlinesIn(onSlices(), shape, 2)).toEqual({ slices: [], prompts: [], sparse: false });
  });
});

describe("slices that were mended", () => {
  const before = onSlices(10, 11, 12, 13);

  it("are those that changed, emptied ones too", () => {
    const after = Uint8Array.from(before);
    after[at([6, 6, 11])] = 0;
    after.fill(0, at([0, 0, 13]), at([0, 0, 14]));
    after[at([2, 2, 20])] = 1;
    expect(mendsIn(before, after, shape, 2)).toEqual({ slices: [11, 13, 20], prompts: [11, 13, 20], sparse: true });
    expect(mendsIn(before, before, shape, 2).slices).toEqual([]);
  });

  it("are prompts no more where a filter went over all of them: then three are", () => {
    const after = boxes([[4, 4, 0], [13, 12, 40]]);
    expect(mendsIn(new Uint8Array(before.length), after, shape, 2)).toMatchObject({ sparse: false, prompts: [6, 20, 33] });
  });
});

describe("the axis of outlines", () => {
  it("is the one across which slices are missing", () => {
    const across = (axis: Axis) => boxes(...[3, 9, 15].map((n): [Voxel, Voxel] => {
      const [from, to]: [number[], number[]] = [[5, 5, 5], [12, 12, 12]];
      from[axis] = n;
      to[axis] = n + 1;
      return [from as unknown as Voxel, to as unknown as Voxel];
    }));
    expect(([0, 1, 2] as const).map((axis) => axisOfOutlines(across(axis), shape))).toEqual([0, 1, 2]);
  });

  it("cannot be told of a whole object, nor of none", () => {
    expect(axisOfOutlines(boxes([[5, 5, 5], [15, 15, 15]]), shape)).toBe(null);
    expect(axisOfOutlines(boxes(), shape)).toBe(null);
  });
});

describe("a stroke", () => {
  it("is a click on its pixel nearest to the middle", () => {
    expect(strokeClicks(boxes([[5, 7, 9], [10, 8, 10]]), shape, 2, false)).toEqual([{ voxel: [7, 7, 9], positive: false }]);
  });

  it("is several clicks where it is long, spread over it, at most five", () => {
    const long = strokeClicks(boxes([[0, 7, 9], [28, 8, 10]]), shape, 2, true);
    expect(long.map(({ voxel }) => voxel[0]).sort((a, b) => a - b)).toEqual([0, 13, 27]);
    expect(strokeClicks(boxes([[0, 0, 9], [30, 20, 10]]), shape, 2, true)).toHaveLength(5);
  });

  it("of a brush that is a ball counts on the middle one of its slices, two neighbouring strokes each", () => {
    const on = (...strokes: [Voxel, Voxel][]) => strokeClicks(boxes(...strokes), shape, 2, true).map(({ voxel }) => voxel[2]);
    expect(on([[2, 2, 9], [5, 5, 16]])).toEqual([12]);
    expect(on([[2, 2, 9], [3, 3, 11]], [[2, 2, 30], [3, 3, 33]])).toEqual([9, 10, 31]);
  });

  it("counts by itself on every slice, and each of its pieces too", () => {
    const strokes = boxes([[2, 2, 9], [4, 4, 10]], [[20, 10, 9], [22, 12, 10]], [[2, 2, 30], [3, 3, 31]]);
    expect(strokeClicks(strokes, shape, 2, true).map(({ voxel }) => voxel)).toEqual([[2, 2, 9], [20, 10, 9], [2, 2, 30]]);
    expect(strokeClicks(boxes([[2, 2, 9], [3, 3, 10]]), shape, 0, true)).toEqual([{ voxel: [2, 2, 9], positive: true }]);
  });
});
