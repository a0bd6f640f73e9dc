/** A scan for timing: 256 x 256 x 100 voxels with one ellipsoid so large that its region needs the 256 x 256 network input. */
import { join } from "node:path";
import { random } from "../src/evaluate/bootstrap.js";
import { fileDigest } from "../src/imaging/digest.js";
import type { Shape } from "../src/imaging/geometry.js";
import { writeNifti } from "../src/imaging/nifti-write.js";

export const shape: Shape = [256, 256, 100];
/** Voxel in the middle of the ellipsoid. */
export const centre = { i: 128, j: 128, k: 50 };

/** Grey 60 with noise, the object at 170: easy on purpose, so that the networks follow it through all slices. */
function voxels(slices: number): Uint8Array {
  const noise = random(3);
  const out = new Uint8Array(256 * 256 * slices);
  for (let k = 0, n = 0; k < slices; k++) {
    for (let j = 0; j < 256; j++) {
      for (let i = 0; i < 256; i++, n++) {
        const inside = ((i - centre.i) / 76) ** 2 + ((j - centre.j) / 72) ** 2 + ((k - centre.k) / 70) ** 2 < 1;
        out[n] = (inside ? 170 : 60) + 24 * (noise() - 0.5);
      }
    }
  }
  return out;
}

/** Writes the scan as <id>.nii.gz. The ellipsoid is cut by the first and last of 100 slices, so that no slice is empty. */
export async function writeScan(folder: string, id: string, slices = shape[2]): Promise<{ path: string; digest: string }> {
  const path = join(folder, `${id}.nii.gz`);
  const affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0] as const;
  await writeNifti({ voxels: voxels(slices), shape: [shape[0], shape[1], slices], geometry: { affine }, slope: 1, intercept: 0 }, path, { gzip: true });
  return { path, digest: await fileDigest(path) };
}
