/** What changed on a slice, small enough to be sent slice by slice. */
import { deflateSync } from "node:zlib";
import { maskFrom } from "../apps/limnet/fusion/pairs.js";
import type { PlaneShape } from "../imaging/slices.js";
import type { SliceChange } from "./protocol.js";

/** `before`, `after`: stored probabilities of the slice (mask where >= 128), null where empty. */
export function changeOf(before: Uint8Array | null, after: Uint8Array | null, { rows, cols }: PlaneShape): SliceChange {
  const inside = (plane: Uint8Array | null, i: number) => plane !== null && plane[i] >= maskFrom;
  let [top, left, bottom, right] = [rows, cols, 0, 0];
  for (let row = 0, i = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++, i++) {
      if (inside(before, i) === inside(after, i)) continue;
      if (row < top) top = row;
      if (col < left) left = col;
      if (row >= bottom) bottom = row + 1;
      if (col >= right) right = col + 1;
    }
  }
  if (bottom === 0) return { box: null, bits: "" };
  const width = right - left;
  const bits = Buffer.alloc(Math.ceil((width * (bottom - top)) / 8));
  for (let row = top, n = 0; row < bottom; row++) {
    for (let i = row * cols + left; i < row * cols + right; i++, n++) {
      if (inside(before, i) !== inside(after, i)) bits[n >> 3] |= 128 >> (n & 7);
    }
  }
  return { box: [top, left, bottom, right], bits: deflateSync(bits, { level: 1 }).toString("base64") };
}
