import { LimnetError } from "../errors.js";
import type { Geometry, Shape } from "./geometry.js";

/** The sample types that volumes are held in. */
export type Voxels =
  | Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | Float32Array | Float64Array;

/** A scan or a label map on its grid. Voxel (i, j, k) is `voxels[i + nx * (j + ny * k)]`. */
export interface Volume {
  readonly voxels: Voxels;
  readonly shape: Shape;
  readonly geometry: Geometry;
  /** Real value = slope * stored + intercept (NIfTI scl_*); 1 and 0 where the file has none. */
  readonly slope: number;
  readonly intercept: number;
}

/** What a file's header says, read without the voxels. */
export interface VolumeHeader {
  readonly shape: Shape;
  readonly geometry: Geometry;
  /** numpy name of the stored type: "int16", "uint8", "float32" … */
  readonly dtype: string;
}

/** What a reader accepts. */
export interface ReadLimits {
  /** Most voxels of one volume, checked before anything is allocated; 1.1e9 when not given (1024 cubed fits). */
  readonly maxVoxels?: number;
  /** Most bytes of its voxels when unpacked; 8 GiB when not given. */
  readonly maxVolumeBytes?: number;
}

/** The error of every reader: what is wrong with the file and what to do. Never holds a path. */
export function badVolume(sentence: string, cause?: unknown): LimnetError {
  return new LimnetError("bad_volume", sentence, cause === undefined ? undefined : { cause });
}

/**
 * The shape of a file's dimensions; a missing third dimension is one slice, further ones must be 1.
 * @throws LimnetError bad_volume on sizes below 1, a real fourth dimension, or more than `limits.maxVoxels`
 */
export function checkShape(sizes: readonly number[], limits: ReadLimits): Shape {
  if (sizes.length < 2) throw badVolume("The image has fewer than two dimensions. Send a volume or a single slice.");
  if (sizes.length > 16) throw badVolume("The image says it has more than 16 dimensions. The header is damaged: export the image again.");
  if (!sizes.every((size) => Number.isInteger(size) && size >= 1)) {
    throw badVolume(`The image says it has ${sizes.join(" x ")} voxels; every size must be 1 or more. The header is damaged: export the image again.`);
  }
  if (sizes.slice(3).some((size) => size !== 1)) {
    throw badVolume(`The image has more than three dimensions (${sizes.join(" x ")}). Send one volume: a single time point or channel.`);
  }
  const maxVoxels = limits.maxVoxels ?? 1.1e9;
  const shape: Shape = [sizes[0], sizes[1], sizes[2] ?? 1];
  if (shape[0] * shape[1] * shape[2] > maxVoxels) {
    throw badVolume(`The image says it has ${shape.join(" x ")} voxels, more than the ${maxVoxels} that this server reads. Crop or resample it.`);
  }
  return shape;
}

/** Values as they are meant: the stored array itself where slope is 1 and intercept 0, else floats. */
export function realVoxels(volume: Volume): Voxels {
  const { voxels, slope, intercept } = volume;
  if (slope === 1 && intercept === 0) return voxels;
  // float32 holds every 16-bit integer exactly; wider types need the 53 bits of float64.
  const wide = voxels.BYTES_PER_ELEMENT > 2 && !(voxels instanceof Float32Array);
  const real = wide ? new Float64Array(voxels.length) : new Float32Array(voxels.length);
  for (let at = 0; at < real.length; at++) real[at] = slope * voxels[at] + intercept;
  return real;
}
