/**
 * The two loops over 16-bit samples that a large series spends its time in. Each array type has a loop of its own: one loop that meets
 * several types is compiled for none of them and takes five times as long.
 */
export type Words = Uint16Array | Int16Array;

/** `shiftSamples` and all that it calls: a thread is made of their text, so they use nothing else. */
export const shiftText = () => [pairsIn, lowOf, highOf, shiftWhole, shiftPart, shiftSamples].map(String).join("\n");

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

/** Whether words are signed does not matter here: sums of 16 bits are the same. Two in each number, where both arrays begin on its boundary. */
function shift(out: Int16Array, values: Words, offset: number): void {
  const aligned = out.byteOffset % 4 === 0 && values.byteOffset % 4 === 0;
  const [from, to] = aligned ? [pairsIn(values), pairsIn(out)] : [new Int32Array(0), new Int32Array(0)];
  const [low, high] = [lowOf(offset), highOf(offset)];
  // The top bits apart, so that nothing is carried from one word into the other.
  for (let pair = 0; pair < from.length; pair++) to[pair] = (((from[pair] & 0x7fff7fff) + low) | 0) ^ ((from[pair] ^ high) & 0x80008000);
  for (let at = 2 * from.length; at < values.length; at++) out[at] = values[at] + offset;
}

/**
 * Writes value + offset of each value into `out`, from its start; whatever is carried out of 16 bits, the same with -offset gives the
 * values back. True where every value is a sample of `bits` bits with nothing else above them and, of 16 bits, all sums fit signed words. Of unsigned words of 16 bits, with an offset below zero only.
 */
export function shiftSamples(out: Int16Array, values: Words, offset: number, bits: number): boolean {
  const signed = values instanceof Int16Array;
  // In pairs, which may have to be moved to the boundary of a number first.
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

function scaleUnsigned(out: Int16Array, values: Uint16Array, factor: number, offset: number): void {
  for (let at = 0; at < out.length; at++) out[at] = factor * values[at] + offset;
}

function scaleSigned(out: Int16Array, values: Int16Array, factor: number, offset: number): void {
  for (let at = 0; at < out.length; at++) out[at] = factor * values[at] + offset;
}
