/**
 * Flood maps: at which tolerance a region grown from a click takes a pixel. A geodesic map fades with the length of the way, so it does not
 * reach the far side of a wall around a chamber; this one asks only for the largest difference of grey value from the click on the way
 * (fuzzy connectedness: Udupa, Samarasekera, Graph Models Image Process 1996). training/limnet_training/flood.py is the same arithmetic.
 */
import type { Pixel } from "../../../imaging/geometry.js";
import { greySteps } from "../denoise.js";

const levels = 256;

/**
 * exp(-t / scale), t the least tolerance in grey steps (0..255 of the smoothed picture, 0..1) at which a region grown from one of the seeds
 * over the four neighbours of its pixels takes a pixel. Seeds are rounded (half up) and clamped into the view; all zeros without seeds.
 * `size` x `size`, 0..1.
 */
export function floodMap(smoothed: Float64Array, size: number, seeds: readonly Pixel[], scale: number): Float32Array {
  const map = new Float32Array(size * size);
  if (seeds.length === 0) return map;
  const grey = greySteps(smoothed);
  const tolerance = new Uint8Array(size * size).fill(255);
  const clamp = (x: number) => Math.min(size - 1, Math.max(0, Math.floor(x + 0.5)));
  for (const { row, col } of seeds) grow(grey, size, clamp(row) * size + clamp(col), tolerance);
  const of = Float32Array.from({ length: levels }, (_, t) => Math.exp(-t / scale));
  for (let i = 0; i < map.length; i++) map[i] = of[tolerance[i]];
  return map;
}

/**
 * Lowers `tolerance` to that of a region grown from `seed`. Pixels wait in one list per level; the first way that reaches one is its best.
 * Runs once for every click: plain loops, no calls.
 */
function grow(grey: Uint8Array, size: number, seed: number, tolerance: Uint8Array): void {
  const first = new Int32Array(levels).fill(-1);
  const next = new Int32Array(size * size);
  const reached = new Uint8Array(size * size);
  const own = grey[seed];
  const last = size * size - size;
  let level = 0;
  first[0] = seed;
  next[seed] = -1;
  reached[seed] = 1;
  while (level < levels) {
    const pixel = first[level];
    if (pixel < 0) {
      level++;
      continue;
    }
    first[level] = next[pixel];
    if (level < tolerance[pixel]) tolerance[pixel] = level;
    const col = pixel % size;
    for (let way = 0; way < 4; way++) {
      if (way === 0 ? pixel >= last : way === 1 ? pixel < size : way === 2 ? col === size - 1 : col === 0) continue;
      const beside = way === 0 ? pixel + size : way === 1 ? pixel - size : way === 2 ? pixel + 1 : pixel - 1;
      if (reached[beside] === 1) continue;
      reached[beside] = 1;
      const difference = grey[beside] > own ? grey[beside] - own : own - grey[beside];
      const at = difference > level ? difference : level;
      next[beside] = first[at];
      first[at] = beside;
    }
  }
}
