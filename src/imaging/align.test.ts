import { describe, expect, it } from "vitest";
import { alignLabels, type Grid } from "./align.js";
import { type RasAffine, rasToVoxel, voxelToRas } from "./geometry.js";

const image: Grid = { shape: [6, 5, 4], geometry: { affine: [0.7, 0.1, 0, -20, -0.1, 0.7, 0, 5, 0, 0, 3, 9] } };
const labels = Uint8Array.from({ length: 120 }, (_, at) => (at * 7919) % 5);

/** The voxels [from, to) of the image, along the given axes of it (negative: backwards), as a file of its own. */
function view(axes: readonly [number, number, number], from = [0, 0, 0], to: readonly number[] = image.shape): { grid: Grid; voxels: Uint8Array } {
  const order = axes.map((axis) => Math.abs(axis) - 1);
  const shape = order.map((axis) => to[axis] - from[axis]) as unknown as Grid["shape"];
  const at = (index: readonly number[]) => {
    const voxel = [0, 0, 0];
    for (const [n, axis] of order.entries()) voxel[axis] = axes[n] < 0 ? to[axis] - 1 - index[n] : from[axis] + index[n];
    return voxel as unknown as [number, number, number];
  };
  const points = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]].map((index) => voxelToRas(image.geometry, at(index)));
  const [o, u, v, w] = points;
  const affine = [u.x - o.x, v.x - o.x, w.x - o.x, o.x, u.y - o.y, v.y - o.y, w.y - o.y, o.y, u.z - o.z, v.z - o.z, w.z - o.z, o.z] as unknown as RasAffine;
  const voxels = new Uint8Array(shape[0] * shape[1] * shape[2]);
  for (let k = 0, n = 0; k < shape[2]; k++) for (let j = 0; j < shape[1]; j++) for (let i = 0; i < shape[0]; i++, n++) {
    const [x, y, z] = at([i, j, k]);
    voxels[n] = labels[x + 6 * (y + 5 * z)];
  }
  return { grid: { shape, geometry: { affine } }, voxels };
}

describe("a label on the grid of its image", () => {
  it("is taken as it is where the grids are one", () => {
    expect(alignLabels(labels, image, image)).toBe(labels);
  });

  it("is turned, mirrored and swapped voxel for voxel", () => {
    for (const axes of [[-1, 2, 3], [1, -2, -3], [2, 1, 3], [3, -1, 2], [-2, -3, -1]] as const) {
      const { grid, voxels } = view(axes);
      expect(alignLabels(voxels, grid, image), String(axes)).toEqual(labels);
    }
  });

  it("keeps its place when it is cropped", () => {
    const { grid, voxels } = view([1, -2, 3], [1, 2, 0], [4, 5, 3]);
    const expected = labels.map((value, at) => {
      const [i, j, k] = [at % 6, Math.floor(at / 6) % 5, Math.floor(at / 30)];
      return i >= 1 && i < 4 && j >= 2 && k < 3 ? value : 0;
    });
    expect(alignLabels(voxels, grid, image)).toEqual(expected);
    expect(rasToVoxel(image.geometry, voxelToRas(grid.geometry, [0, 0, 0])).map((part) => Math.round(part))).toEqual([1, 4, 0]);
  });

  it("is refused on another lattice, and where part of it lies outside", () => {
    const [half, coarse] = [[...image.geometry.affine], [...image.geometry.affine]];
    half[3] += 0.35;
    coarse[10] = 6;
    for (const affine of [half, coarse]) {
      expect(() => alignLabels(labels, { shape: image.shape, geometry: { affine: affine as unknown as RasAffine } }, image)).toThrow(/grid of its image/);
    }
    const smaller: Grid = { shape: [6, 5, 3], geometry: image.geometry };
    expect(() => alignLabels(labels, image, smaller)).toThrow(/outside/);
    expect(alignLabels(new Uint8Array(120).fill(1, 0, 90), image, smaller)).toEqual(new Uint8Array(90).fill(1));
  });
});
