/**
 * A negative click to one side of a mask says that this side is wrong, not that nothing is there; in its middle it says the
 * latter. The network alone answers "nothing" to nearly every negative click on a mask that has leaked far: in six rounds of the
 * robot three of ten such slices lost their object, and as an empty prompt ended it there (docs/training.md).
 * training/limnet_training/infer.py (`trimmed`) is the same arithmetic.
 */
import type { SliceClick } from "../../../engine/protocol.js";
import { squaredDistance } from "../../../imaging/distance.js";
import type { Plane } from "../view.js";

/** From this share of the mask's greatest depth on, a click is in its middle. */
const middle = 0.8;
/** What goes: all within so many times the click's distance to the edge of the mask. */
const reach = 1.2;

/**
 * `before` without the surroundings of a negative click; null where the click is outside the mask (0.5) or in its middle, or
 * where nothing would be left. Probabilities 0..1; the click is in slice pixels.
 */
export function trimmed({ data, rows, cols }: Plane<ArrayLike<number>>, click: SliceClick): Plane<Float32Array> | null {
  const r = Math.min(rows - 1, Math.max(0, Math.round(click.row)));
  const c = Math.min(cols - 1, Math.max(0, Math.round(click.col)));
  if (click.positive || data[r * cols + c] < 0.5) return null;
  const depth = squaredDistance(Uint8Array.from(data, (p) => (p >= 0.5 ? 0 : 1)), [cols, rows, 1]);
  let deepest = 0;
  for (const d of depth) if (d > deepest) deepest = d;
  const here = depth[r * cols + c];
  if (here >= middle ** 2 * deepest) return null;
  const left = Float32Array.from(data);
  let some = false;
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < cols; x++) {
      if ((y - r) ** 2 + (x - c) ** 2 <= reach ** 2 * here) left[y * cols + x] = 0;
      else if (left[y * cols + x] >= 0.5) some = true;
    }
  }
  return some ? { data: left, rows, cols } : null;
}
