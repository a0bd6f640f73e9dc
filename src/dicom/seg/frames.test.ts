import { describe, expect, it } from "vitest";
import type { Shape } from "../../imaging/geometry.js";
import { packBits, packNumbers, placeFrames } from "./frames.js";
import type { Segment } from "./segments.js";

const segment = (labels: Uint8Array, value: number): Segment => ({
  name: `s${value}`, coding: { category: { value: "1", scheme: "SCT", meaning: "x" }, type: { value: "1", scheme: "SCT", meaning: "x" } }, algorithm: "MANUAL", labels, value,
});

/** Pixels that are neither a multiple of 8 a row nor a frame. */
const shape: Shape = [3, 5, 4];

function random(seed: number): () => number {
  let state = seed;
  return () => (state = (1103515245 * state + 12345) % 2147483648) / 2147483648;
}

describe("frames of a segmentation", () => {
  it("are those that hold the segment, by segment, then slice", () => {
    const labels = new Uint8Array(60);
    labels[0] = 2;
    labels[59] = 1;
    labels[45] = 2;
    expect(placeFrames([segment(labels, 1), segment(labels, 2)], shape)).toEqual({
      frames: [{ segment: 0, slice: 3 }, { segment: 1, slice: 0 }, { segment: 1, slice: 3 }], overlap: false,
    });
    expect(placeFrames([segment(labels, 1)], shape, true).frames).toHaveLength(4);
  });

  it("are packed to bits without padding between them", () => {
    const next = random(7);
    const labels = Uint8Array.from({ length: 60 }, () => Math.floor(3 * next()));
    const segments = [segment(labels, 1), segment(labels, 2)];
    const { frames } = placeFrames(segments, shape);
    const bytes = packBits(segments, shape, frames);
    expect(bytes.length).toBe(2 * Math.ceil((frames.length * 15) / 16));
    for (const [n, { segment: s, slice }] of frames.entries()) {
      for (let pixel = 0; pixel < 15; pixel++) {
        const bit = n * 15 + pixel;
        expect((bytes[bit >> 3] >> (bit & 7)) & 1).toBe(labels[15 * slice + pixel] === s + 1 ? 1 : 0);
      }
    }
  });

  it("hold voxels of two segments where label maps of their own overlap", () => {
    const [a, b] = [new Uint8Array(60).fill(1, 3, 9), new Uint8Array(60).fill(1, 8, 12)];
    expect(placeFrames([segment(a, 1), segment(b, 1)], shape).overlap).toBe(true);
    b.fill(0, 8, 9);
    expect(placeFrames([segment(a, 1), segment(b, 1)], shape).overlap).toBe(false);
  });

  it("hold segment numbers in a label map, 16 bit where 8 are too few", () => {
    const labels = new Uint8Array(60);
    labels[20] = 9;
    labels[16] = 4;
    expect([...packNumbers([segment(labels, 9), segment(labels, 4)], shape, [1])]).toEqual([0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    const wide = Array.from({ length: 300 }, () => segment(new Uint8Array(60), 1));
    wide[299].labels[15] = 1;
    expect([...packNumbers(wide, shape, [1])].slice(0, 2)).toEqual([300 - 256, 1]);
  });

  it("do not take a value for two segments, or a label of another size", () => {
    const labels = new Uint8Array(60);
    expect(() => placeFrames([segment(labels, 1), segment(labels, 1)], shape)).toThrow(RangeError);
    expect(() => placeFrames([segment(labels, 0)], shape)).toThrow(RangeError);
    expect(() => placeFrames([segment(new Uint8Array(61), 1)], shape)).toThrow(RangeError);
  });
});
