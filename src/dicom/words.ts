/**
 * The two loops over 16-bit samples that a large series spends its time in. Each array type has a loop of its own: one loop that meets
 * several types is compiled for none of them and takes five times as long.
 */
export type Words = Uint16Array | Int16Array;

/** Smallest and largest value. */
export function rangeOfWords(values: Words): [number, number] {
  return values instanceof Int16Array ? signedRange(values) : unsignedRange(values);
}

/** Limits that hold every value, as wide as the bits in use: four times quicker than the exact ones. */
export function boundsOf(values: Words): [number, number] {
  const limit = 2 ** (32 - Math.clz32(bitsIn(values)));
  return values instanceof Int16Array ? [-limit, limit - 1] : [0, limit - 1];
}

/** Writes factor * value + offset of each value into `out` from `at` on; `out` may be the memory of `values`. */
export function rescaleWords(out: Int16Array, at: number, values: Words, factor: number, offset: number): void {
  const target = out.subarray(at, at + values.length);
  if (factor === 1) {
    if (values instanceof Int16Array) shiftSigned(target, values, offset);
    else shiftUnsigned(target, values, offset);
  } else if (values instanceof Int16Array) scaleSigned(target, values, factor, offset);
  else scaleUnsigned(target, values, factor, offset);
}

/** All values or-ed, two at a time; of negative ones the complement. */
function bitsIn(values: Words): number {
  const head = values.byteOffset % 4 === 0 || values.length === 0 ? 0 : 1;
  const pairs = new Uint32Array(values.buffer, values.byteOffset + 2 * head, (values.length - head) >> 1);
  let bits = 0;
  const signed = values instanceof Int16Array;
  if (signed) {
    // The sign of each half, spread over it.
    for (let at = 0; at < pairs.length; at++) bits |= pairs[at] ^ (((pairs[at] >>> 15) & 0x10001) * 0xffff);
  } else {
    for (let at = 0; at < pairs.length; at++) bits |= pairs[at];
  }
  for (const value of values.length > 0 ? [values[0], values[values.length - 1]] : []) bits |= signed && value < 0 ? ~value : value;
  return (bits | (bits >>> 16)) & 0xffff;
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

function shiftUnsigned(out: Int16Array, values: Uint16Array, offset: number): void {
  for (let at = 0; at < out.length; at++) out[at] = values[at] + offset;
}

function shiftSigned(out: Int16Array, values: Int16Array, offset: number): void {
  for (let at = 0; at < out.length; at++) out[at] = values[at] + offset;
}

function scaleUnsigned(out: Int16Array, values: Uint16Array, factor: number, offset: number): void {
  for (let at = 0; at < out.length; at++) out[at] = factor * values[at] + offset;
}

function scaleSigned(out: Int16Array, values: Int16Array, factor: number, offset: number): void {
  for (let at = 0; at < out.length; at++) out[at] = factor * values[at] + offset;
}
