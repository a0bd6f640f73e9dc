/**
 * The two loops over 16-bit samples that a large series spends its time in. Each array type has a loop of its own: one loop that meets
 * several types is compiled for none of them and takes five times as long.
 */
import { shift } from "./shift.js";

export type Words = Uint16Array | Int16Array;

/** Smallest and largest value. */
export function rangeOfWords(values: Words): [number, number] {
  return values instanceof Int16Array ? signedRange(values) : unsignedRange(values);
}

/** Limits that hold every value, as wide as the bits in use: four times quicker than the exact ones. */
export function boundsOf(values: Words): [number, number] {
  if (values instanceof Uint16Array) return [0, above(bitsIn(values)) - 1];
  const { negative, positive, below } = signedBits(values);
  return [negative ? -above(below) : 0, above(positive) - 1];
}

/** The smallest power of two above these bits. */
const above = (bits: number) => 2 ** (32 - Math.clz32(bits));

/** Writes factor * value + offset of each value into `out` from `at` on; `out` may be the memory of `values`. */
export function rescaleWords(out: Int16Array, at: number, values: Words, factor: number, offset: number): void {
  const target = out.subarray(at, at + values.length);
  if (factor === 1 && Number.isInteger(offset)) shift(target, values, offset);
  else if (values instanceof Int16Array) scaleSigned(target, values, factor, offset);
  else scaleUnsigned(target, values, factor, offset);
}

/** Two values in each number; the first and the last may stand alone. */
function pairsOf(values: Words): { readonly pairs: Uint32Array; readonly ends: readonly number[] } {
  if (values.length === 0) return { pairs: new Uint32Array(0), ends: [] };
  const head = values.byteOffset % 4 === 0 ? 0 : 1;
  return { pairs: new Uint32Array(values.buffer, values.byteOffset + 2 * head, (values.length - head) >> 1), ends: [values[0], values[values.length - 1]] };
}

/** All values or-ed. */
function bitsIn(values: Uint16Array): number {
  const { pairs, ends } = pairsOf(values);
  let bits = 0;
  for (let at = 0; at < pairs.length; at++) bits |= pairs[at];
  for (const value of ends) bits |= value;
  return (bits | (bits >>> 16)) & 0xffff;
}

/** The values that are not negative or-ed, the complements of those that are, and whether there are such. */
function signedBits(values: Int16Array): { readonly negative: boolean; readonly positive: number; readonly below: number } {
  const { pairs, ends } = pairsOf(values);
  let [positive, below, signs] = [0, 0, 0];
  for (let at = 0; at < pairs.length; at++) {
    const pair = pairs[at];
    const sign = (pair >>> 15) & 0x10001;
    // All bits of the halves that are negative.
    const mask = sign * 0xffff;
    signs |= sign;
    positive |= pair & ~mask;
    below |= ~pair & mask;
  }
  for (const value of ends) {
    signs |= value >>> 31;
    if (value < 0) below |= ~value;
    else positive |= value;
  }
  return { negative: signs !== 0, positive: (positive | (positive >>> 16)) & 0xffff, below: (below | (below >>> 16)) & 0xffff };
}

function unsignedRange(values: Uint16Array): [number, number] {
  let [low, high] = [0xffff, 0];
  for (let at = 0; at < values.length; at++) {
    const value = values[at];
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

function signedRange(values: Int16Array): [number, number] {
  let [low, high] = [0x7fff, -0x8000];
  for (let at = 0; at < values.length; at++) {
    const value = values[at];
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

function scaleUnsigned(out: Int16Array, values: Uint16Array, factor: number, offset: number): void {
  for (let at = 0; at < out.length; at++) out[at] = factor * values[at] + offset;
}

function scaleSigned(out: Int16Array, values: Int16Array, factor: number, offset: number): void {
  for (let at = 0; at < out.length; at++) out[at] = factor * values[at] + offset;
}
