/** The mask of a state as bytes, for whatever is no plain container of it (answer.ts). */
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { readMaskBits } from "../../engine/mask-bits.js";
import { LimnetError } from "../../errors.js";
import type { Shape } from "../../imaging/geometry.js";

/** Words of four voxels between two pauses, so that the thread that serves HTTP is never held for long. */
const chunk = 1 << 20;
/** `maskFrom` is the highest bit of a byte, so that four voxels are looked at together. */
const fourBits = 0x01010101;

/** The mask, 0 and 1, grid of the image, i fastest; `fusedPath`: stored probabilities (uint8, gzip), null for an empty mask. Where the packed mask lies beside them, they are not read; `packedOnly`: never. */
export async function readMask(fusedPath: string | null, shape: Shape, packedOnly = false): Promise<Uint8Array> {
  const length = shape[0] * shape[1] * shape[2];
  if (fusedPath === null) return new Uint8Array(length);
  const packed = await readMaskBits(fusedPath, length);
  if (packed) return packed;
  if (packedOnly) throw new LimnetError("engine_failed", "The packed mask of the result is not there.");
  // One piece of output as large as all of it: pieces of the usual 16 kB cost ten times the unpacking.
  const bytes = await promisify(gunzip)(await readFile(fusedPath), { maxOutputLength: Math.max(1, length), chunkSize: Math.max(64, length + 1) });
  if (bytes.length !== length) throw new LimnetError("engine_failed", "The result does not fit the image. Click once more; if it happens again, start a new label.");
  const words = wordsOf(bytes);
  for (let start = 0; start < words.length; start += chunk) {
    const end = Math.min(words.length, start + chunk);
    for (let i = start; i < end; i++) words[i] = (words[i] >>> 7) & fourBits;
    if (end < words.length) await new Promise(setImmediate);
  }
  return new Uint8Array(words.buffer, words.byteOffset, length);
}

/** The bytes as words, in place where they lie so; else a copy, filled up with zeros. */
function wordsOf(bytes: Buffer): Uint32Array {
  if (bytes.byteOffset % 4 === 0 && bytes.length % 4 === 0) return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const words = new Uint32Array(Math.ceil(bytes.length / 4));
  Buffer.from(words.buffer).set(bytes);
  return words;
}
