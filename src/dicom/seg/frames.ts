/** Frames of a segmentation: which slices hold an object, and their pixels as DICOM packs them. */
import type { Shape } from "../../imaging/geometry.js";
import type { Segment } from "./segments.js";

/** One frame of a BINARY segmentation: segment (from 0) on slice k. */
export interface FramePlace {
  readonly segment: number;
  readonly slice: number;
}

/** Segments that are values of one label map are read in one pass over it. */
interface Layer {
  readonly labels: Uint8Array | Uint16Array;
  /** Segment of a voxel value; 0 for none, else its number from 1. */
  readonly numbers: Uint16Array;
}

/** @throws RangeError when an array has not the size of the grid or two segments are the same voxels: a mistake of the caller */
export function layersOf(segments: readonly Segment[], shape: Shape): Layer[] {
  const layers = new Map<Uint8Array | Uint16Array, Layer>();
  for (const [at, { labels, value }] of segments.entries()) {
    if (labels.length !== shape[0] * shape[1] * shape[2]) throw new RangeError(`a label of ${labels.length} voxels for a grid of ${shape.join(" x ")}`);
    const layer = layers.get(labels) ?? { labels, numbers: new Uint16Array(labels.BYTES_PER_ELEMENT === 1 ? 256 : 65536) };
    layers.set(labels, layer);
    if (!(Number.isInteger(value) && value > 0 && value < layer.numbers.length) || layer.numbers[value] !== 0) throw new RangeError(`value ${value} is no object of its own`);
    layer.numbers[value] = at + 1;
  }
  return [...layers.values()];
}

/**
 * Frames that are not empty (all of them with `keepEmpty`), ordered by segment, then slice.
 * `overlap`: whether a voxel belongs to two segments; only label maps of their own can.
 */
export function placeFrames(segments: readonly Segment[], shape: Shape, keepEmpty = false): { frames: FramePlace[]; overlap: boolean } {
  const pixels = shape[0] * shape[1];
  const layers = layersOf(segments, shape);
  const held = segments.map(() => new Uint8Array(shape[2]));
  for (const { labels, numbers } of layers) {
    for (let slice = 0; slice < shape[2]; slice++) {
      let last = 0;
      for (let at = slice * pixels, end = at + pixels; at < end; at++) {
        const value = labels[at];
        if (value === last) continue;
        last = value;
        if (numbers[value] > 0) held[numbers[value] - 1][slice] = 1;
      }
    }
  }
  const frames = held.flatMap((slices, segment) => [...slices.keys()].filter((slice) => keepEmpty || slices[slice] === 1).map((slice) => ({ segment, slice })));
  return { frames, overlap: overlaps(layers) };
}

function overlaps(layers: readonly Layer[]): boolean {
  if (layers.length < 2) return false;
  const [first] = layers;
  const taken = new Uint8Array(first.labels.length);
  return layers.some(({ labels, numbers }) => {
    for (let at = 0; at < labels.length; at++) {
      if (labels[at] === 0 || numbers[labels[at]] === 0) continue;
      if (taken[at] === 1) return true;
      taken[at] = 1;
    }
    return false;
  });
}

/**
 * Pixel data of a BINARY segmentation: one bit a pixel, the first pixel in the lowest bit, frames one after the other without
 * padding between them (PS3.5 8.1.1), even length in all.
 */
export function packBits(segments: readonly Segment[], shape: Shape, frames: readonly FramePlace[]): Uint8Array {
  const pixels = shape[0] * shape[1];
  const bytes = new Uint8Array(2 * Math.ceil((frames.length * pixels) / 16));
  /** First bit of the frame of a segment on a slice, plus one. */
  const starts = segments.map(() => new Float64Array(shape[2]));
  for (const [n, { segment, slice }] of frames.entries()) starts[segment][slice] = n * pixels + 1;
  for (const { labels, numbers } of layersOf(segments, shape)) {
    for (let slice = 0; slice < shape[2]; slice++) {
      const from = slice * pixels;
      let last = 0;
      // Byte and bit of the frame's first pixel, apart: there may be more than 2^31 bits in all.
      let byte = -1;
      let offset = 0;
      for (let pixel = 0; pixel < pixels; pixel++) {
        const value = labels[from + pixel];
        if (value === 0) continue;
        if (value !== last) {
          last = value;
          const start = numbers[value] > 0 ? starts[numbers[value] - 1][slice] - 1 : -1;
          byte = Math.floor(start / 8);
          offset = start - 8 * byte;
        }
        if (byte < 0) continue;
        const bit = offset + pixel;
        bytes[byte + (bit >> 3)] |= 1 << (bit & 7);
      }
    }
  }
  return bytes;
}

/** Pixel data of a LABELMAP segmentation: segment numbers, 8 bit up to 255 segments, else 16 bit little-endian. */
export function packNumbers(segments: readonly Segment[], shape: Shape, slices: readonly number[]): Uint8Array {
  const pixels = shape[0] * shape[1];
  const wide = segments.length > 255;
  const numbered = new (wide ? Uint16Array : Uint8Array)(wide ? slices.length * pixels : 2 * Math.ceil((slices.length * pixels) / 2));
  for (const { labels, numbers } of layersOf(segments, shape)) {
    for (const [n, slice] of slices.entries()) {
      for (let pixel = 0, from = slice * pixels, to = n * pixels; pixel < pixels; pixel++) {
        const number = numbers[labels[from + pixel]];
        if (number > 0) numbered[to + pixel] = number;
      }
    }
  }
  return new Uint8Array(numbered.buffer);
}
