/** True places of voxels: on an uneven stack the grid of the volume is only near them. */
import { type LpsPoint, lpsFrame, rasToVoxel, toLps, toRas, type Voxel, voxelToRas } from "../imaging/geometry.js";
import type { PlannedVolume } from "./types.js";

type Stack = Pick<PlannedVolume, "geometry" | "slices">;

/** Where the centre of a voxel truly lies: from the position of its own slice. @throws RangeError for a slice that is not there */
export function truePlace({ geometry, slices }: Stack, [i, j, k]: Voxel): LpsPoint {
  if (!(Number.isInteger(k) && k >= 0 && k < slices.length)) throw new RangeError(`slice ${k} of ${slices.length}`);
  const { position } = slices[k];
  if (!position) return toLps(voxelToRas(geometry, [i, j, k]));
  const { steps: [u, v] } = lpsFrame(geometry);
  return {
    left: position.left + u[0] * i + v[0] * j, posterior: position.posterior + u[1] * i + v[1] * j, superior: position.superior + u[2] * i + v[2] * j,
  };
}

/** The voxel (i and j not rounded) on the slice that lies nearest to a point, by the slices' true positions. */
export function nearestVoxel({ geometry, slices }: Stack, point: LpsPoint): Voxel {
  let best: { readonly voxel: Voxel; readonly off: number } | undefined;
  for (const [k, { position }] of slices.entries()) {
    if (!position) break;
    // On the grid of its own slice: as if this slice were the first.
    const { steps } = lpsFrame(geometry);
    const moved = { left: point.left - position.left, posterior: point.posterior - position.posterior, superior: point.superior - position.superior };
    const n = [steps[0][1] * steps[1][2] - steps[0][2] * steps[1][1], steps[0][2] * steps[1][0] - steps[0][0] * steps[1][2], steps[0][0] * steps[1][1] - steps[0][1] * steps[1][0]];
    const off = Math.abs(n[0] * moved.left + n[1] * moved.posterior + n[2] * moved.superior) / Math.hypot(...n);
    if (best && off >= best.off) continue;
    const { origin } = lpsFrame(geometry);
    const [i, j] = rasToVoxel(geometry, toRas({ left: origin[0] + moved.left, posterior: origin[1] + moved.posterior, superior: origin[2] + moved.superior }));
    best = { voxel: [i, j, k], off };
  }
  return best?.voxel ?? rasToVoxel(geometry, toRas(point));
}
