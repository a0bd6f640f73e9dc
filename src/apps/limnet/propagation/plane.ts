/** Probabilities as they leave the method: uint8, mask where >= 128. */
import { extract, paste, type Plane } from "../view.js";
import type { Region, SliceSize } from "./region.js";

/** A slice of stored probabilities; null: empty everywhere. */
export type StoredPlane = Uint8Array | null;

/** Stored probabilities are a mask from here on. */
export const maskFrom = 128;

export const quantise = (p: number): number => Math.round(p * 255);

/** [size, size] of the region, 0..1. */
export function intoRegion(stored: StoredPlane, slice: SliceSize, region: Region): Float32Array {
  if (stored === null) return new Float32Array(region.size ** 2);
  const map = extract({ data: stored, rows: slice.rows, cols: slice.cols }, region, region.size);
  for (let i = 0; i < map.length; i++) map[i] /= 255;
  return map;
}

/** A map of the region as a whole slice; `scratch` is a zeroed plane of the slice and is left zeroed. */
export function ontoSlice(map: Float32Array, region: Region, scratch: Plane): Uint8Array {
  const { rows, cols, data } = scratch;
  paste(map, region.size, region, scratch);
  const out = new Uint8Array(rows * cols);
  const bottom = Math.min(rows, Math.ceil(region.row + region.side));
  const left = Math.max(0, Math.floor(region.col));
  const right = Math.min(cols, Math.ceil(region.col + region.side));
  for (let r = Math.max(0, Math.floor(region.row)); r < bottom; r++) {
    for (let i = r * cols + left; i < r * cols + right; i++) {
      out[i] = quantise(data[i]);
      data[i] = 0;
    }
  }
  return out;
}

export function hasMask(stored: StoredPlane): boolean {
  if (stored === null) return false;
  for (let i = 0; i < stored.length; i++) if (stored[i] >= maskFrom) return true;
  return false;
}
