import { inflateSync } from "node:zlib";
import { expect, test } from "vitest";
import { changeOf } from "./change.js";
import type { SliceChange } from "./protocol.js";

const size = { rows: 9, cols: 13 };
const plane = (inside: (row: number, col: number) => boolean) =>
  Uint8Array.from({ length: 9 * 13 }, (_, i) => (inside(Math.floor(i / 13), i % 13) ? 200 : 100));
const maskOf = (stored: Uint8Array) => Array.from(stored, (p) => p >= 128);

/** What a client does with it (docs/rounds.md). */
function apply(before: boolean[], { box, bits }: SliceChange): boolean[] {
  const after = [...before];
  if (box === null) return after;
  const [top, left, bottom, right] = box;
  const bytes = inflateSync(Buffer.from(bits, "base64"));
  for (let row = top, n = 0; row < bottom; row++) {
    for (let col = left; col < right; col++, n++) if ((bytes[n >> 3] >> (7 - (n & 7))) & 1) after[row * 13 + col] = !after[row * 13 + col];
  }
  return after;
}

test("the difference leads from the mask of before to the mask of after", () => {
  const square = plane((row, col) => row > 2 && row < 7 && col > 3 && col < 9);
  const other = plane((row, col) => row > 3 && row < 8 && col > 1 && col < 9 && (row + col) % 3 !== 0);
  const empty = new Uint8Array(9 * 13);
  for (const [before, after] of [[square, other], [other, square], [empty, square], [square, empty]]) {
    expect(apply(maskOf(before), changeOf(before, after, size))).toEqual(maskOf(after));
  }
  expect(apply(maskOf(empty), changeOf(null, other, size))).toEqual(maskOf(other));
  expect(apply(maskOf(other), changeOf(other, null, size))).toEqual(maskOf(empty));
});

test("the box is as small as it can be, and there is none where the masks are the same", () => {
  const before = plane((row, col) => row === 4 && col === 5);
  const after = plane((row, col) => row === 4 && (col === 5 || col === 7));
  expect(changeOf(before, after, size).box).toEqual([4, 7, 5, 8]);
  expect(changeOf(before, before.map((p) => p + 20), size)).toEqual({ box: null, bits: "" });
  expect(changeOf(null, null, size)).toEqual({ box: null, bits: "" });
});
