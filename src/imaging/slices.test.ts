import { describe, expect, test } from "vitest";
import type { Axis, Shape } from "./geometry.js";
import { pixelToVoxel, planeShape, readSlice, voxelToPixel, writeSlice } from "./slices.js";

const shape: Shape = [3, 4, 5];
const voxels = Int16Array.from({ length: 60 }, (_, at) => at);
const axes: Axis[] = [0, 1, 2];

describe("slices", () => {
  test.each(axes)("across axis %i, every voxel is found at its row and column", (axis) => {
    const { rows, cols } = planeShape(shape, axis);
    expect(rows * cols * shape[axis]).toBe(60);
    for (let k = 0; k < 5; k++) for (let j = 0; j < 4; j++) for (let i = 0; i < 3; i++) {
      const { slice, row, col } = voxelToPixel([i, j, k], axis);
      expect(pixelToVoxel(slice, { row, col }, axis)).toEqual([i, j, k]);
      expect(readSlice(voxels, shape, axis, slice)[row * cols + col]).toBe(i + 3 * (j + 4 * k));
    }
  });

  test.each(axes)("slices read and written one after the other give the volume again, across axis %i", (axis) => {
    const copy = new Int16Array(60);
    const { rows, cols } = planeShape(shape, axis);
    const pixels = new Int16Array(rows * cols);
    for (let at = 0; at < shape[axis]; at++) writeSlice(copy, shape, axis, at, readSlice(voxels, shape, axis, at, pixels));
    expect(copy).toEqual(voxels);
  });

  test("a slice is a copy and has the type of the volume", () => {
    const slice = readSlice(voxels, shape, 2, 0);
    slice[0] = 99;
    expect(slice).toBeInstanceOf(Int16Array);
    expect(voxels[0]).toBe(0);
  });

  test("a slice of a Buffer is plain bytes, without the deprecated Buffer()", () => {
    expect(Object.getPrototypeOf(readSlice(Buffer.alloc(60), [3, 4, 5], 2, 0))).toBe(Uint8Array.prototype);
  });

  test("an index or an array that does not fit is refused", () => {
    expect(() => readSlice(voxels, shape, 2, 5)).toThrow(RangeError);
    expect(() => readSlice(voxels, shape, 2, 0.5)).toThrow(RangeError);
    expect(() => readSlice(voxels.subarray(1), shape, 2, 0)).toThrow(RangeError);
    expect(() => writeSlice(voxels, shape, 0, 0, new Int16Array(12))).toThrow(RangeError);
  });
});
