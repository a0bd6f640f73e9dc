/** What goes wrong in practice, made on purpose: clicks beside the point, noise, half the resolution. Seeded. */
import { join } from "node:path";
import { writeNifti } from "../imaging/nifti-write.js";
import { readVolume } from "../imaging/read.js";
import type { Axis, Pixel, Shape } from "../imaging/geometry.js";
import { arrayOf, dtypeOf } from "../imaging/dtype.js";
import type { Volume, Voxels } from "../imaging/volume.js";
import { chooseWindow } from "../apps/limnet/prepare.js";
import { random } from "./bootstrap.js";

export interface Spoil {
  /** Clicks lie up to so many pixels beside the point that the robot means; 0: on it. */
  readonly jitter: number;
  /** Standard deviation of normal noise on the image, as a share of its grey window; 0: none. */
  readonly noise: number;
  /** Every two by two pixels of a slice are one: image (mean) and outline (the majority, ties belong to the object). */
  readonly half: boolean;
}

export const unspoilt: Spoil = { jitter: 0, noise: 0, half: false };

/** Normal deviates of mean 0 and deviation 1 (Box and Muller). */
function normal(next: () => number): () => number {
  return () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

function noisy(volume: Volume, share: number, seed: number): Volume {
  const [low, high] = chooseWindow(volume);
  const deviate = normal(random(seed));
  const { voxels, slope, intercept } = volume;
  const out = Float32Array.from(voxels, (v) => v * slope + intercept + share * (high - low) * deviate());
  return { ...volume, voxels: out, slope: 1, intercept: 0 };
}

/** Halves the two axes of the slices across `axis`; a last odd row or column is left out. `merge` makes one value of four. */
function halved(volume: Volume, axis: Axis, merge: (a: number, b: number, c: number, d: number) => number): Volume {
  const { shape, voxels, geometry } = volume;
  const steps = [0, 1, 2].map((a) => (a === axis || shape[a] < 2 ? 1 : 2));
  const small = shape.map((size, a) => Math.floor(size / steps[a])) as unknown as Shape;
  const [ni, nj] = shape;
  const across = [0, 1, 2].filter((a) => a !== axis).map((a) => (steps[a] === 2 ? [1, ni, ni * nj][a] : 0));
  const out: Voxels = new arrayOf[dtypeOf(voxels)](small[0] * small[1] * small[2]);
  for (let k = 0, n = 0; k < small[2]; k++) {
    for (let j = 0; j < small[1]; j++) {
      for (let i = 0; i < small[0]; i++, n++) {
        const at = i * steps[0] + ni * (j * steps[1] + nj * k * steps[2]);
        out[n] = merge(voxels[at], voxels[at + across[0]], voxels[at + across[1]], voxels[at + across[0] + across[1]]);
      }
    }
  }
  // The first new voxel lies half an old step further along each halved axis.
  const affine = [...geometry.affine] as number[];
  for (let row = 0; row < 3; row++) {
    for (let a = 0; a < 3; a++) {
      if (steps[a] === 1) continue;
      affine[4 * row + 3] += affine[4 * row + a] / 2;
      affine[4 * row + a] *= 2;
    }
  }
  return { ...volume, shape: small, voxels: out, geometry: { ...geometry, affine: affine as unknown as typeof geometry.affine } };
}

/** Half of four votes is enough; the label is the first of the four that is not empty. */
function majority(...four: [number, number, number, number]): number {
  return four.filter((v) => v !== 0).length >= 2 ? four.find((v) => v !== 0)! : 0;
}

/** Image and label as files in `folder`; the very files that were given where nothing is to be done to them. */
export async function spoilFiles(
  files: { readonly image: string; readonly label: string }, axis: Axis, spoil: Spoil, seed: number, folder: string,
): Promise<{ image: string; label: string }> {
  let { image, label } = files;
  if (spoil.noise > 0 || spoil.half) {
    let volume = await readVolume(image);
    if (spoil.half) volume = halved({ ...volume, voxels: Float32Array.from(volume.voxels) }, axis, (a, b, c, d) => (a + b + c + d) / 4);
    if (spoil.noise > 0) volume = noisy(volume, spoil.noise, seed);
    image = join(folder, "image.nii");
    await writeNifti(volume, image, { gzip: false });
  }
  if (spoil.half) {
    const volume = halved(await readVolume(label), axis, majority);
    label = join(folder, "label.nii");
    await writeNifti(volume, label, { gzip: false });
  }
  return { image, label };
}

/** Moves a point by up to `radius` pixels in a random direction; `allowed` says whether the new point still means the same. */
export type Nudge = (point: Pixel, allowed: (point: Pixel) => boolean) => Pixel;

export function nudger(radius: number, seed: number): Nudge | undefined {
  if (radius === 0) return undefined;
  const next = random(seed);
  return (point, allowed) => {
    for (let n = 0; n < 30; n++) {
      const angle = 2 * Math.PI * next();
      const far = radius * Math.sqrt(next());
      const moved = { row: Math.round(point.row + far * Math.sin(angle)), col: Math.round(point.col + far * Math.cos(angle)) };
      if (allowed(moved)) return moved;
    }
    return point;
  };
}
