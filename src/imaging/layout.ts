import { type Dtype, sampleBytes } from "./dtype.js";
import type { Geometry, Shape } from "./geometry.js";
import type { VolumeHeader } from "./volume.js";

/** What a format's header says: the grid, and where and how the samples lie in the file. */
export interface Layout extends VolumeHeader {
  readonly shape: Shape;
  readonly geometry: Geometry;
  readonly dtype: Dtype;
  readonly slope: number;
  readonly intercept: number;
  readonly littleEndian: boolean;
  /** "deflate" is gzip or zlib; "text" is decimal numbers between blanks or commas. */
  readonly packing: "none" | "deflate" | "text";
  /** Byte of the file at which the (packed) samples begin; "end" where they are the last bytes of the file. */
  readonly start: number | "end";
  /** Bytes to skip after unpacking: a NIfTI header that was compressed with the samples. */
  readonly skip: number;
}

export function sampleCount(layout: Layout): number {
  return layout.shape[0] * layout.shape[1] * layout.shape[2];
}

export function byteCount(layout: Layout): number {
  return sampleCount(layout) * sampleBytes[layout.dtype];
}
