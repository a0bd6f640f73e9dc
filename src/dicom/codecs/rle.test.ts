import { describe, expect, it } from "vitest";
import { decodeRle } from "./rle.js";

/** A frame of segments that are already packed. */
function frame(...segments: number[][]): Uint8Array {
  const header = new Uint32Array(16);
  header[0] = segments.length;
  let at = 64;
  for (const [index, segment] of segments.entries()) {
    header[1 + index] = at;
    at += segment.length;
  }
  return new Uint8Array([...new Uint8Array(header.buffer), ...segments.flat()]);
}

describe("RLE", () => {
  it("joins the high and low bytes of 16-bit samples", () => {
    // High bytes: three times 1, then 2; low bytes: 10, 20, 30, 40 as they are.
    expect([...decodeRle(frame([254, 1, 0, 2], [3, 10, 20, 30, 40]), 4, 1, 2)]).toEqual([10, 1, 20, 1, 30, 1, 40, 2]);
  });

  it("gives colours plane after plane", () => {
    expect([...decodeRle(frame([255, 1], [255, 2], [255, 3]), 2, 3, 1)]).toEqual([1, 1, 2, 2, 3, 3]);
  });

  it("skips the control byte 128 and writes no more pixels than there are", () => {
    expect([...decodeRle(frame([128, 129, 7]), 3, 1, 1)]).toEqual([7, 7, 7]);
  });

  it("refuses segments that are missing, too short, or outside the frame", () => {
    expect(() => decodeRle(frame([255, 1]), 2, 1, 2)).toThrow(RangeError);
    expect(() => decodeRle(frame([0, 1]), 2, 1, 1)).toThrow(RangeError);
    const outside = frame([255, 1]);
    new DataView(outside.buffer).setUint32(4, 5000, true);
    expect(() => decodeRle(outside, 2, 1, 1)).toThrow(RangeError);
    expect(() => decodeRle(new Uint8Array(10), 2, 1, 1)).toThrow(RangeError);
  });
});
