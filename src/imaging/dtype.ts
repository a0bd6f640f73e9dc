/** Sample types: their numpy names, sizes, and how bytes of a file become typed arrays. */
import type { Voxels } from "./volume.js";

export const sampleBytes = {
  int8: 1, uint8: 1, int16: 2, uint16: 2, int32: 4, uint32: 4, int64: 8, uint64: 8, float32: 4, float64: 8,
} as const;

/** numpy name of a sample type. */
export type Dtype = keyof typeof sampleBytes;

/** Sample types that a Volume can hold as they are. */
export type HeldDtype = Exclude<Dtype, "int64" | "uint64">;

export const arrayOf = {
  int8: Int8Array, uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array, int32: Int32Array, uint32: Uint32Array,
  float32: Float32Array, float64: Float64Array,
} as const;

export function dtypeOf(voxels: Voxels): HeldDtype {
  const name = (Object.keys(arrayOf) as HeldDtype[]).find((dtype) => voxels instanceof arrayOf[dtype]);
  if (name === undefined) throw new TypeError("not an array of samples");
  return name;
}

/**
 * Bytes of a file as samples; the buffer is taken over, big-endian bytes are turned in place. 64-bit integers
 * become int32 where all of them fit and float64 otherwise (exact up to 2^53).
 */
export function samplesFrom(buffer: ArrayBuffer, dtype: Dtype, littleEndian: boolean): Voxels {
  if (!littleEndian) {
    const bytes = Buffer.from(buffer);
    if (sampleBytes[dtype] === 2) bytes.swap16();
    else if (sampleBytes[dtype] === 4) bytes.swap32();
    else if (sampleBytes[dtype] === 8) bytes.swap64();
  }
  if (dtype === "int64" || dtype === "uint64") return narrow64(buffer, dtype === "int64");
  return new arrayOf[dtype](buffer);
}

/** Works on 32-bit halves, as a BigInt for every voxel would be slow. */
function narrow64(buffer: ArrayBuffer, signed: boolean): Voxels {
  const low = new Uint32Array(buffer);
  const high = signed ? new Int32Array(buffer) : low;
  const count = low.length / 2;
  let fits = true;
  for (let at = 0; at < low.length && fits; at += 2) fits = high[at + 1] === (signed ? (low[at] | 0) >> 31 : 0) && (signed || low[at] < 2 ** 31);
  const out = fits ? new Int32Array(count) : new Float64Array(count);
  for (let at = 0; at < count; at++) out[at] = fits ? low[2 * at] | 0 : high[2 * at + 1] * 2 ** 32 + low[2 * at];
  return out;
}
