/**
 * Geodesic click maps: how far a pixel lies from the clicks when crossing an edge of the picture costs extra.
 * training/limnet_training/geodesic.py is the same arithmetic (float64, same order of scans); a fixture holds both together.
 */
import type { Pixel } from "../../../imaging/geometry.js";

const diagonal = Math.SQRT2;
const far = 1e6;
const repeats = 2;

/**
 * Distance of every pixel to the nearest seed: a step costs 1 (diagonal sqrt 2) + weight * |difference of the smoothed picture|.
 * Two rounds of a forward and a backward raster scan, in place; an approximation, the same one that the network was trained with.
 * Seeds are rounded (half up) and clamped into the view. Without seeds every distance is 1e6.
 */
export function geodesicDistance(smoothed: Float64Array, size: number, seeds: readonly Pixel[], weight: number): Float64Array {
  const d = new Float64Array(size * size).fill(far);
  const clamp = (x: number) => Math.min(size - 1, Math.max(0, Math.floor(x + 0.5)));
  for (const { row, col } of seeds) d[clamp(row) * size + clamp(col)] = 0;
  return relax(smoothed, d, size, weight);
}

function relax(smoothed: Float64Array, d: Float64Array, size: number, weight: number): Float64Array {
  for (let n = 0; n < repeats; n++) {
    scan(smoothed, d, size, weight, 1);
    scan(smoothed, d, size, weight, -1);
  }
  return d;
}

/** The same map from a mask of seeds (1 = seed), `size` x `size`; all zeros without seeds. */
export function geodesicFrom(
  smoothed: Float64Array, size: number, mask: Uint8Array, setting: { readonly weight: number; readonly scale: number },
): Float32Array {
  const map = new Float32Array(size * size);
  if (!mask.includes(1)) return map;
  const d = new Float64Array(size * size).fill(far);
  for (let i = 0; i < d.length; i++) if (mask[i] === 1) d[i] = 0;
  relax(smoothed, d, size, setting.weight);
  for (let i = 0; i < map.length; i++) map[i] = Math.exp(-d[i] / setting.scale);
  return map;
}

/**
 * One raster scan; `way` 1: rows and columns ascending, neighbours left, up-left, up, up-right; -1: all of it mirrored. In each row first what
 * comes from the row before, then what comes along it: only that has to wait for the pixel beside. The innermost loop of a click: no calls.
 */
function scan(image: Float64Array, d: Float64Array, size: number, weight: number, way: 1 | -1): void {
  const begin = way > 0 ? 0 : size - 1;
  const up = way * size;
  for (let n = 0, r = begin; n < size; n++, r += way) {
    const start = r * size + begin;
    if (n > 0) {
      for (let m = 0, p = start; m < size; m++, p += way) {
        const value = image[p];
        const q = p - up;
        let best = Math.min(d[p], d[q] + (1 + weight * Math.abs(value - image[q])));
        if (m > 0) best = Math.min(best, d[q - way] + (diagonal + weight * Math.abs(value - image[q - way])));
        if (m < size - 1) best = Math.min(best, d[q + way] + (diagonal + weight * Math.abs(value - image[q + way])));
        d[p] = best;
      }
    }
    let last = d[start];
    for (let m = 1, p = start + way; m < size; m++, p += way) {
      last = Math.min(d[p], last + (1 + weight * Math.abs(image[p] - image[p - way])));
      d[p] = last;
    }
  }
}

/** exp(-d / scale) of the seeds of one sign; all zeros without seeds. `size` x `size`, 0..1. */
export function geodesicMap(
  smoothed: Float64Array, size: number, seeds: readonly Pixel[], setting: { readonly weight: number; readonly scale: number },
): Float32Array {
  const map = new Float32Array(size * size);
  if (seeds.length === 0) return map;
  const d = geodesicDistance(smoothed, size, seeds, setting.weight);
  for (let i = 0; i < map.length; i++) map[i] = Math.exp(-d[i] / setting.scale);
  return map;
}
