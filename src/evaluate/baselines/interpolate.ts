/** Classical ways to fill a volume from a few slices outlined by hand; they know nothing of the image. */
import { signedDistance } from "../../imaging/distance.js";
import { planeShape, readSlice, writeSlice } from "../../imaging/slices.js";
import type { Task } from "../protocol.js";

/**
 * Shape-based interpolation (Raya and Udupa, IEEE TMI 1990): between two neighbouring outlines the signed distances are mixed by
 * nearness. Beyond the outermost outlines there is nothing. `drawn`: slices that the user outlined, without error.
 */
export function interpolate(task: Task, drawn: readonly number[]): Uint8Array {
  const { shape, axis, truth } = task;
  const { rows, cols } = planeShape(shape, axis);
  const mask = new Uint8Array(truth.length);
  const sorted = [...new Set(drawn)].sort((a, b) => a - b);
  const outlines = sorted.map((slice) => readSlice(truth, shape, axis, slice));
  const distances = outlines.map((outline) => signedDistance(outline, rows, cols));
  sorted.forEach((slice, n) => {
    writeSlice(mask, shape, axis, slice, outlines[n]);
    for (let index = slice + 1; index < (sorted[n + 1] ?? 0); index++) {
      const share = (index - slice) / (sorted[n + 1] - slice);
      const plane = Uint8Array.from(distances[n], (d, i) => (d * (1 - share) + distances[n + 1][i] * share > 0 ? 1 : 0));
      writeSlice(mask, shape, axis, index, plane);
    }
  });
  return mask;
}

/** Every slice gets the nearest outline (of two the lower one), from the first slice of the object to its last: a user sees where it ends. */
export function copyNearest({ shape, axis, truth }: Task, drawn: readonly number[]): Uint8Array {
  const mask = new Uint8Array(truth.length);
  const sorted = [...new Set(drawn)].sort((a, b) => a - b);
  const held = Array.from({ length: shape[axis] }, (_, n) => n).filter((n) => readSlice(truth, shape, axis, n).some((v) => v > 0));
  if (sorted.length === 0 || held.length === 0) return mask;
  for (let index = held[0]; index <= held[held.length - 1]; index++) {
    const nearest = sorted.reduce((a, b) => (Math.abs(b - index) < Math.abs(a - index) ? b : a));
    writeSlice(mask, shape, axis, index, readSlice(truth, shape, axis, nearest));
  }
  return mask;
}
