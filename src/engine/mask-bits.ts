/**
 * The mask of a state, beside its file: a bit a voxel, gzip. It is an eighth of the probabilities and a twentieth when packed, and it is all
 * that an answer needs. It may be missing or damaged: then the mask is made of the probabilities.
 */
import { readFile, rm, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { constants, gunzip, gzip } from "node:zlib";

/** The highest bit of four probabilities, as one number. */
const fourBits = 0x01010101;
const highBits = 0x80808080;
/** Moves the lowest bits of four bytes into the four highest bits, the first byte's lowest. */
const gather = 0x10204080;
/** Of bytes that are expanded between two pauses, so that the thread that serves HTTP is never held for long. */
const chunk = 1 << 19;

/** Where the mask of the state at `statePath` lies. */
export function maskPath(statePath: string): string {
  return `${statePath}.mask`;
}

/** Writes the mask of `volume` (probabilities, uint8; mask where >= 128). A disk without room for it leaves none. */
export async function writeMaskBits(statePath: string, volume: Uint8Array): Promise<void> {
  const path = maskPath(statePath);
  const bytes = await promisify(gzip)(packBits(volume), { level: 1, strategy: constants.Z_RLE, chunkSize: 1 << 18 });
  await writeFile(path, bytes).catch(() => rm(path, { force: true }));
}

/** The mask of the state at `statePath`, 0 and 1, one byte per voxel; null where it is not there, damaged or of another size. */
export async function readMaskBits(statePath: string, voxels: number): Promise<Uint8Array | null> {
  const length = Math.ceil(voxels / 8);
  try {
    // The checksum of gzip finds a file that was cut short.
    const bits = await promisify(gunzip)(await readFile(maskPath(statePath)), { maxOutputLength: Math.max(1, length), chunkSize: Math.max(64, length + 1) });
    return bits.length === length ? await expandBits(bits, voxels) : null;
  } catch {
    return null;
  }
}

/** Voxel 8 n + b becomes bit b (from the lowest) of byte n. */
export function packBits(volume: Uint8Array): Uint8Array {
  const bits = new Uint8Array(Math.ceil(volume.length / 8));
  const whole = volume.byteOffset % 4 === 0 ? volume.length >>> 3 : 0;
  const words = whole > 0 ? new Uint32Array(volume.buffer, volume.byteOffset, whole * 2) : new Uint32Array(0);
  for (let n = 0; n < whole; n++) {
    // Most of a volume is no part of the mask.
    if (((words[2 * n] | words[2 * n + 1]) & highBits) === 0) continue;
    const low = Math.imul((words[2 * n] >>> 7) & fourBits, gather) >>> 28;
    const high = Math.imul((words[2 * n + 1] >>> 7) & fourBits, gather) >>> 28;
    bits[n] = low | (high << 4);
  }
  for (let i = whole * 8; i < volume.length; i++) bits[i >>> 3] |= (volume[i] >>> 7) << (i & 7);
  return bits;
}

/** The reverse of packBits, as 0 and 1. */
export async function expandBits(bits: Uint8Array, voxels: number): Promise<Uint8Array> {
  const fourVoxels = Uint32Array.from({ length: 16 }, (_, n) => (n & 1) | ((n & 2) << 7) | ((n & 4) << 14) | ((n & 8) << 21));
  const words = new Uint32Array(bits.length * 2);
  for (let start = 0; start < bits.length; start += chunk) {
    const end = Math.min(bits.length, start + chunk);
    for (let n = start; n < end; n++) {
      if (bits[n] === 0) continue;
      words[2 * n] = fourVoxels[bits[n] & 15];
      words[2 * n + 1] = fourVoxels[bits[n] >>> 4];
    }
    if (end < bits.length) await new Promise(setImmediate);
  }
  return new Uint8Array(words.buffer, 0, voxels);
}
