/**
 * Where a voxel lies in the patient. The only place where LPS and RAS meet.
 *
 * Three kinds of position are three types, so that none can be taken for another:
 * a voxel index [i, j, k], patient millimetres, and (row, column) on one slice.
 */

/** Number of voxels along i, j, k; i is the fastest axis of the file. */
export type Shape = readonly [number, number, number];

/** Zero-based voxel index [i, j, k], i along the fastest axis of the file. */
export type Voxel = readonly [i: number, j: number, k: number];

/** A point in patient millimetres, RAS+ (x to the right, y to the front, z to the head), as NIfTI stores it. */
export interface RasPoint {
  readonly x: number;
  readonly y: number;
  readonly z: number;
}

/** A pixel on one slice: row first. */
export interface Pixel {
  readonly row: number;
  readonly col: number;
}

/** Row-major 3 x 4: RAS millimetres = affine * [i, j, k, 1]. */
export type RasAffine = readonly [
  number, number, number, number,
  number, number, number, number,
  number, number, number, number,
];

export interface Geometry {
  readonly affine: RasAffine;
}

/** Index of the voxel axis across which slices are stacked: 0 = i, 1 = j, 2 = k. */
export type Axis = 0 | 1 | 2;
