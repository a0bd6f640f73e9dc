/** Click disks (paper 2.1, RITM; specification 1.2). */
import type { Pixel } from "../../../imaging/geometry.js";

/**
 * Ones within `radius` of any of the points (squared distance <= radius^2), `size` x `size`, row-major.
 * Points are view pixels (pixel centres at whole numbers); fractions are kept, points outside the view may still reach in.
 */
export function drawDisks(points: readonly Pixel[], size: number, radius: number): Float32Array {
  const map = new Float32Array(size * size);
  const limit = radius * radius;
  for (const { row, col } of points) {
    const r0 = Math.max(0, Math.ceil(row - radius));
    const r1 = Math.min(size - 1, Math.floor(row + radius));
    const c0 = Math.max(0, Math.ceil(col - radius));
    const c1 = Math.min(size - 1, Math.floor(col + radius));
    for (let r = r0; r <= r1; r++) {
      for (let c = c0; c <= c1; c++) {
        if ((r - row) ** 2 + (c - col) ** 2 <= limit) map[r * size + c] = 1;
      }
    }
  }
  return map;
}
