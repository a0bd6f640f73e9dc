/**
 * How far the walker follows the network. Of an object that is few pixels deep the network, which sees the memory in cells of 8 pixels, knows the border
 * badly, and edges are the better guide; of a deep one it knows more than they do (docs/training.md). training/limnet_training/walker.py is the same arithmetic.
 */
import { depth } from "../../../imaging/distance.js";
import { boxAbove } from "../click/zoom.js";
import type { WalkerSettings } from "../networks.js";
import type { SliceSource } from "../propagation/features.js";
import { maskFrom, type StoredPlane } from "../propagation/plane.js";

/** `settings.trust`, times the square of (mean depth of the masks on the prompts, in pixels / `deep.pixels`) between 1 and `deep.most`. `planes` hold the prompts. */
export function trustOf(
  planes: readonly StoredPlane[], prompts: Iterable<number>, { rows, cols }: Pick<SliceSource, "rows" | "cols">, { trust, deep }: Pick<WalkerSettings, "trust" | "deep">,
): number {
  if (deep === undefined) return trust;
  const depths = [...prompts].map((prompt) => deepest(planes[prompt], rows, cols)).filter((found) => found > 0);
  if (depths.length === 0) return trust;
  const mean = depths.reduce((sum, found) => sum + found, 0) / depths.length;
  return trust * Math.min(deep.most, Math.max(1, (mean / deep.pixels) ** 2));
}

/** Largest distance of a pixel of the mask to the nearest pixel outside, in pixels; 0 without a mask. Only the mask's box is looked at. */
function deepest(data: StoredPlane, rows: number, cols: number): number {
  const box = data === null ? null : boxAbove({ data, rows, cols }, maskFrom - 1);
  if (box === null) return 0;
  const [height, width] = [box.bottom - box.top + 1, box.right - box.left + 1];
  const mask = Uint8Array.from({ length: height * width }, (_, i) => Number(data![(box.top + Math.floor(i / width)) * cols + box.left + (i % width)] >= maskFrom));
  return Math.sqrt(depth(mask, height, width).reduce((most, d) => Math.max(most, d), 0));
}
