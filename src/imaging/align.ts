/** Labels on the grid of their image: turned, mirrored, swapped or cropped, but never resampled. */
import { arrayOf, dtypeOf } from "./dtype.js";
import { type Geometry, rasToVoxel, sameGrid, type Shape, type Voxel, voxelToRas } from "./geometry.js";
import { badVolume, type Voxels } from "./volume.js";

export interface Grid {
  readonly shape: Shape;
  readonly geometry: Geometry;
}

/** How far, in voxels, a voxel may lie from one of the other grid: headers of float32 and texts of few digits are this wrong. */
const slack = 0.1;

const elsewhere = "The label does not lie on the grid of its image: its voxels are of another size or lie between those of the image. Save it on the grid of the image (in 3D Slicer: choose the image as reference volume when exporting).";

/**
 * Where the voxels of `from` lie in `to`: voxel [i, j, k] of `from` is voxel origin + i * steps[0] + j * steps[1] + k * steps[2].
 * @throws LimnetError bad_volume unless every voxel centre of one is a voxel centre of the other's lattice
 */
export function latticeMap(from: Grid, to: Grid): { origin: Voxel; steps: readonly [Voxel, Voxel, Voxel] } {
  const place = (voxel: Voxel) => rasToVoxel(to.geometry, voxelToRas(from.geometry, voxel));
  const exact = place([0, 0, 0]);
  const origin = exact.map(Math.round) as unknown as Voxel;
  const steps = ([[1, 0, 0], [0, 1, 0], [0, 0, 1]] as const).map((unit, axis) => {
    const far = place(unit.map((part) => part * Math.max(1, from.shape[axis] - 1)) as unknown as Voxel);
    return far.map((part, at) => Math.round((part - exact[at]) / Math.max(1, from.shape[axis] - 1))) as unknown as Voxel;
  }) as unknown as [Voxel, Voxel, Voxel];
  const used = new Set(steps.map((step) => step.findIndex((part) => part !== 0)));
  const isUnit = steps.every((step) => step.reduce((sum, part) => sum + Math.abs(part), 0) === 1);
  for (let corner = 0; corner < 8; corner++) {
    const at = [0, 1, 2].map((axis) => ((corner >> axis) & 1) * (from.shape[axis] - 1));
    const exactly = place([at[0], at[1], at[2]]);
    const off = exactly.some((part, axis) => Math.abs(part - origin[axis] - at[0] * steps[0][axis] - at[1] * steps[1][axis] - at[2] * steps[2][axis]) > slack);
    if (!isUnit || used.size !== 3 || off) throw badVolume(elsewhere);
  }
  return { origin, steps };
}

/**
 * The voxels of a label on another grid of the same lattice; 0 where the label does not reach. The same array where both grids
 * are one.
 * @throws LimnetError bad_volume for another lattice, or where part of the label lies outside `to`: nothing is dropped silently
 */
export function alignLabels(voxels: Voxels, from: Grid, to: Grid): Voxels {
  if (sameGrid(from, to)) return voxels;
  const { origin, steps } = latticeMap(from, to);
  const [ni, nj, nk] = to.shape;
  const out = new arrayOf[dtypeOf(voxels)](ni * nj * nk);
  let read = 0;
  for (let k = 0; k < from.shape[2]; k++) {
    for (let j = 0; j < from.shape[1]; j++) {
      let [x, y, z] = [0, 1, 2].map((axis) => origin[axis] + j * steps[1][axis] + k * steps[2][axis]);
      for (let i = 0; i < from.shape[0]; i++, read++, x += steps[0][0], y += steps[0][1], z += steps[0][2]) {
        if (voxels[read] === 0) continue;
        if (x < 0 || y < 0 || z < 0 || x >= ni || y >= nj || z >= nk) throw badVolume("Part of the label lies outside its image. Crop the label to the image, or check that it belongs to it.");
        out[x + ni * (y + nj * z)] = voxels[read];
      }
    }
  }
  return out;
}
