/** An offset that is added to words of 16 bits, two at a time in a number of 32. */
import type { Words } from "./words.js";

/** `shiftSamples` and all that it calls: a thread is made of their text, so they use nothing else. */
export const shiftText = () => [pairsIn, lowOf, highOf, shiftWhole, shiftPart, shiftSamples].map(String).join("\n");

/** Whether words are signed does not matter here: sums of 16 bits are the same. Two in each number, where both arrays begin on its boundary. */
export function shift(out: Int16Array, values: Words, offset: number): void {
  const aligned = out.byteOffset % 4 === 0 && values.byteOffset % 4 === 0;
  const [from, to] = aligned ? [pairsIn(values), pairsIn(out)] : [new Int32Array(0), new Int32Array(0)];
  const [low, high] = [lowOf(offset), highOf(offset)];
  // The top bits apart, so that nothing is carried from one word into the other.
  for (let pair = 0; pair < from.length; pair++) to[pair] = (((from[pair] & 0x7fff7fff) + low) | 0) ^ ((from[pair] ^ high) & 0x80008000);
  for (let at = 2 * from.length; at < values.length; at++) out[at] = values[at] + offset;
}

/**
 * Writes value + offset of each value into `out`, from its start; whatever is carried out of 16 bits, the same with -offset gives the
 * values back. True where every value is a sample of `bits` bits with nothing else above them and, of 16 bits, all sums fit signed words
 * (of unsigned words of 16 bits: with an offset below zero only).
 */
export function shiftSamples(out: Int16Array, values: Words, offset: number, bits: number): boolean {
  const signed = values instanceof Int16Array;
  // In pairs, which may have to be moved to the boundary of a number first.
  if (out.byteOffset % 4 !== 0) {
    const own = new Int16Array(values.length);
    const fit = shiftSamples(own, values, offset, bits);
    out.set(own);
    return fit;
  }
  if (values.byteOffset % 4 !== 0) out.set(values);
  const from = pairsIn(values.byteOffset % 4 !== 0 ? out : values, values.length);
  const to = pairsIn(out, values.length);
  const fits = bits === 16 ? shiftWhole(to, from, offset, signed) : shiftPart(to, from, offset, signed, bits);
  if (values.length % 2 === 0) return fits;
  const [last, sum] = [values[values.length - 1], values[values.length - 1] + offset];
  out[values.length - 1] = sum;
  const [least, most] = signed ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
  return fits && last >= least && last <= most && (bits < 16 || (sum >= -0x8000 && sum <= 0x7fff));
}

/** As signed words: those that are not are taken for 32768 less, and the more is added. */
function shiftWhole(to: Int32Array, from: Int32Array, offset: number, signed: boolean): boolean {
  const flip = signed ? 0 : highOf(0x8000);
  const added = signed ? offset : offset + 0x8000;
  const [low, high] = [lowOf(added), highOf(added)];
  let seen = 0;
  for (let pair = 0; pair < from.length; pair++) {
    const value = from[pair] ^ flip;
    const sum = (((value & 0x7fff7fff) + low) | 0) ^ ((value ^ high) & 0x80008000);
    to[pair] = sum;
    // Carried over: both have one sign, and the sum the other.
    seen |= (value ^ sum) & ~(value ^ high);
  }
  return (seen & 0x80008000) === 0 && added >= -0x8000 && added <= 0x7fff;
}

/** Signed ones are looked at with half their range added, which leaves nothing above their bits. */
function shiftPart(to: Int32Array, from: Int32Array, offset: number, signed: boolean, bits: number): boolean {
  const [low, high] = [lowOf(offset), highOf(offset)];
  const half = signed ? lowOf(2 ** (bits - 1)) : 0;
  let seen = 0;
  for (let pair = 0; pair < from.length; pair++) {
    const value = from[pair];
    to[pair] = (((value & 0x7fff7fff) + low) | 0) ^ ((value ^ high) & 0x80008000);
    seen |= (((value & 0x7fff7fff) + half) | 0) ^ (value & 0x80008000);
  }
  return (seen & ~lowOf(2 ** bits - 1)) === 0;
}

function pairsIn(words: Words, length = words.length): Int32Array {
  return new Int32Array(words.buffer, words.byteOffset, length >> 1);
}

/** All but the top bits of a number of 16 bits, in both halves of 32. */
function lowOf(value: number): number {
  return (value & 0x7fff) * 0x10001;
}

/** The top bits. */
function highOf(value: number): number {
  return ((value >> 15) & 1) * (0x80008000 | 0);
}
