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
