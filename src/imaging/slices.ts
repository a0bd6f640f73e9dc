/**
 * Slices of a volume. A slice across k has rows along j and columns along i; across j, rows along k and columns
 * along i; across i, rows along k and columns along j. Pixels are row-major: row * cols + col.
 */
import { arrayOf, dtypeOf } from "./dtype.js";
import type { Axis, Pixel, Shape, Voxel } from "./geometry.js";
import type { Voxels } from "./volume.js";

export interface PlaneShape {
  readonly rows: number;
  readonly cols: number;
}

/** Size of one slice across `axis`. */
export function planeShape(shape: Shape, axis: Axis): PlaneShape {
  const [ni, nj, nk] = shape;
  if (axis === 2) return { rows: nj, cols: ni };
  return { rows: nk, cols: axis === 1 ? ni : nj };
}

/** Where a voxel lies among the slices across `axis`. */
export function voxelToPixel(voxel: Voxel, axis: Axis): Pixel & { readonly slice: number } {
  const [i, j, k] = voxel;
  if (axis === 2) return { slice: k, row: j, col: i };
  if (axis === 1) return { slice: j, row: k, col: i };
  return { slice: i, row: k, col: j };
}

/** The inverse of voxelToPixel. */
export function pixelToVoxel(slice: number, pixel: Pixel, axis: Axis): Voxel {
  if (axis === 2) return [pixel.col, pixel.row, slice];
  if (axis === 1) return [pixel.col, slice, pixel.row];
  return [slice, pixel.col, pixel.row];
}

/**
 * Copies slice `index` across `axis` out of `voxels` (nx * ny * nz, i fastest) into `out` (rows * cols), or into a
 * new array of the same type.
 * @throws RangeError when the index lies outside or an array has the wrong length: a mistake of the caller
 */
export function readSlice<T extends Voxels>(voxels: T, shape: Shape, axis: Axis, index: number, out?: T): T {
  const [ni, nj, nk] = shape;
  const { rows, cols } = planeShape(shape, axis);
  // Not voxels.constructor: a Buffer from zlib would ask for the deprecated Buffer().
  const pixels = out ?? (new arrayOf[dtypeOf(voxels)](rows * cols) as T);
  check(voxels, shape, axis, index, pixels.length);
  if (axis === 2) {
    pixels.set(voxels.subarray(index * ni * nj, (index + 1) * ni * nj));
  } else if (axis === 1) {
    for (let k = 0; k < nk; k++) {
      const from = ni * (index + nj * k);
      pixels.set(voxels.subarray(from, from + ni), k * ni);
    }
  } else {
    for (let at = 0, from = index; at < pixels.length; at++, from += ni) pixels[at] = voxels[from];
  }
  return pixels;
}

/**
 * Copies `pixels` (rows * cols) into slice `index` across `axis` of `voxels`; the inverse of readSlice.
 * @throws RangeError when the index lies outside or an array has the wrong length: a mistake of the caller
 */
export function writeSlice(voxels: Voxels, shape: Shape, axis: Axis, index: number, pixels: Voxels): void {
  const [ni, nj, nk] = shape;
  check(voxels, shape, axis, index, pixels.length);
  if (axis === 2) {
    voxels.set(pixels, index * ni * nj);
  } else if (axis === 1) {
    for (let k = 0; k < nk; k++) voxels.set(pixels.subarray(k * ni, (k + 1) * ni), ni * (index + nj * k));
  } else {
    for (let at = 0, to = index; at < pixels.length; at++, to += ni) voxels[to] = pixels[at];
  }
}

function check(voxels: Voxels, shape: Shape, axis: Axis, index: number, pixels: number): void {
  if (!(Number.isInteger(index) && index >= 0 && index < shape[axis])) {
    throw new RangeError(`slice ${index} of ${shape[axis]} across axis ${axis}`);
  }
  const { rows, cols } = planeShape(shape, axis);
  if (voxels.length !== shape[0] * shape[1] * shape[2] || pixels !== rows * cols) {
    throw new RangeError(`arrays of ${voxels.length} voxels and ${pixels} pixels for a grid of ${shape.join(" x ")}`);
  }
}
