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
  const d = relax(smoothed, Float64Array.from(mask, (m) => (m === 1 ? 0 : far)), size, setting.weight);
  for (let i = 0; i < map.length; i++) map[i] = Math.exp(-d[i] / setting.scale);
  return map;
}

/**
 * One raster scan; `way` 1: rows and columns ascending, neighbours left, up-left, up, up-right; -1: all of it mirrored.
 * The innermost loop of a click: plain comparisons, no calls.
 */
function scan(image: Float64Array, d: Float64Array, size: number, weight: number, way: 1 | -1): void {
  const begin = way > 0 ? 0 : size - 1;
  const end = size - 1 - begin;
  const up = way * size;
  for (let n = 0, r = begin; n < size; n++, r += way) {
    for (let m = 0, c = begin; m < size; m++, c += way) {
      const p = r * size + c;
      const value = image[p];
      let best = d[p];
      if (m > 0) {
        const step = value - image[p - way];
        const through = d[p - way] + (1 + weight * (step < 0 ? -step : step));
        if (through < best) best = through;
      }
      if (n > 0) {
        const q = p - up;
        if (m > 0) {
          const step = value - image[q - way];
          const through = d[q - way] + (diagonal + weight * (step < 0 ? -step : step));
          if (through < best) best = through;
        }
        const step = value - image[q];
        const through = d[q] + (1 + weight * (step < 0 ? -step : step));
        if (through < best) best = through;
        if (c !== end) {
          const last = value - image[q + way];
          const beside = d[q + way] + (diagonal + weight * (last < 0 ? -last : last));
          if (beside < best) best = beside;
        }
      }
      d[p] = best;
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
