/** Faint objects beside something very bright: one grey window serves the whole volume, so the region is brightened as a whole. */
import type { SliceSource } from "./features.js";
import type { StoredPlane } from "./plane.js";
import type { Region } from "./region.js";

/** A region is dim when this part of its pixels … */
const share = 0.99;
/** … stays below this grey value (of 255). */
const dim = 110;
const bright = 200;
const most = 8;

/**
 * Factor on all grey values of a propagation: 1 unless the region is dim on the prompt slices; then a power of the square root
 * of 2 (so that cached features survive another prompt), at most 8. The same for all slices: keys of neighbours stay comparable (2.9).
 */
export function gainFor(source: SliceSource, region: Region, prompts: ReadonlyMap<number, StoredPlane>): number {
  const counts = new Uint32Array(256);
  let total = 0;
  for (const [slice, mask] of prompts) {
    if (mask === null) continue;
    const { data, rows, cols } = source.plane(slice);
    for (let r = Math.max(0, region.row); r < Math.min(rows, region.row + region.side); r++) {
      for (let c = Math.max(0, region.col); c < Math.min(cols, region.col + region.side); c++) {
        counts[data[Math.floor(r) * cols + Math.floor(c)]]++;
        total++;
      }
    }
  }
  if (total === 0) return 1;
  let level = 0;
  for (let below = 0; level < 255; level++) {
    below += counts[level];
    if (below >= share * total) break;
  }
  if (level === 0 || level >= dim) return 1;
  return Math.min(most, 2 ** (Math.floor(2 * Math.log2(bright / level)) / 2));
}
