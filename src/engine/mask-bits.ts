/**
 * The mask of a state, beside its file: a bit a voxel, gzip. It is an eighth of the probabilities and a twentieth when packed, and it is all
 * that an answer needs. It may be missing or damaged: then the mask is made of the probabilities.
 */
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { constants, gunzip, gunzipSync, gzip, gzipSync } from "node:zlib";

/** The highest bit of four probabilities, as one number. */
const fourBits = 0x01010101;
const highBits = 0x80808080;
/** Moves the lowest bits of four bytes into the four highest bits, the first byte's lowest. */
const gather = 0x10204080;
/** The reverse: four bits as four bytes. */
const fourVoxels = Uint32Array.from({ length: 16 }, (_, n) => (n & 1) | ((n & 2) << 7) | ((n & 4) << 14) | ((n & 8) << 21));
/** Of bytes that are expanded between two pauses, so that the thread that serves HTTP is never held for long. */
const chunk = 1 << 19;

const packing = { level: 1, strategy: constants.Z_RLE, chunkSize: 1 << 18 };

/** Bytes of bits that are unpacked in half a millisecond: less than the way to the thread pool and back may take. */
const quickLength = 1 << 20;

/** Where the mask of the state at `statePath` lies. */
export function maskPath(statePath: string): string {
  return `${statePath}.mask`;
}

/**
 * Writes the mask of `volume` (probabilities, uint8; mask where >= 128). Returns the digest of the file (SHA-256); null where the disk has
 * no room: then there is none. `atOnce`: holds the thread, for whoever has nothing else to do. That takes a millisecond or two for a usual
 * volume; the ways to the thread pool and back took up to ten, where the networks' threads have the cores.
 */
export async function writeMaskBits(statePath: string, volume: Uint8Array, { atOnce = false } = {}): Promise<string | null> {
  const path = maskPath(statePath);
  const bits = packBits(volume);
  const bytes = atOnce ? gzipSync(bits, packing) : await promisify(gzip)(bits, packing);
  try {
    if (atOnce) writeFileSync(path, bytes);
    else await writeFile(path, bytes);
  } catch {
    await rm(path, { force: true });
    return null;
  }
  return createHash("sha256").update(bytes).digest("hex");
}

/** The mask of the state at `statePath`, 0 and 1, one byte per voxel; null as readBits. */
export async function readMaskBits(statePath: string, voxels: number): Promise<Uint8Array | null> {
  const bits = await readBits(statePath, voxels);
  return bits && expandBits(bits, voxels);
}

/** The same as packBits made it; null where it is not there, damaged or of another size. */
export async function readBits(statePath: string, voxels: number): Promise<Uint8Array | null> {
  const length = Math.ceil(voxels / 8);
  try {
    // The checksum of gzip finds a file that was cut short.
    const packed = await readFile(maskPath(statePath));
    const room = { maxOutputLength: Math.max(1, length), chunkSize: Math.max(64, length + 1) };
    const bits = length <= quickLength ? gunzipSync(packed, room) : await promisify(gunzip)(packed, room);
    return bits.length === length ? bits : null;
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
  const words = new Uint32Array(bits.length * 2);
  for (let start = 0; start < bits.length; start += chunk) {
    const end = Math.min(bits.length, start + chunk);
    expandInto(words.subarray(2 * start, 2 * end), bits.subarray(start, end));
    if (end < bits.length) await new Promise(setImmediate);
  }
  return new Uint8Array(words.buffer, 0, voxels);
}

/** The same of so many bits as `words` has room for (four voxels each); it holds zeros. */
export function expandInto(words: Uint32Array, bits: Uint8Array): void {
  for (let n = 0; n < bits.length; n++) {
    if (bits[n] === 0) continue;
    words[2 * n] = fourVoxels[bits[n] & 15];
    words[2 * n + 1] = fourVoxels[bits[n] >>> 4];
  }
}
