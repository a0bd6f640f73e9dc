/** The file of a result: in memory where it is small, so that nothing is written and deleted for one answer; else on the disk. */
import { randomUUID } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { expandInto } from "../engine/mask-bits.js";
import { encodeMask, type MaskOptions, maskParts, plainHeader } from "../imaging/mask.js";
import type { Geometry, Shape } from "../imaging/geometry.js";

/** The content of a file, piece by piece. A piece that is longer than what goes out at once may change when the next is asked for. */
export interface Pieces extends Iterable<Uint8Array> {
  /** Of all pieces together. */
  readonly bytes: number;
  /** What keeping it costs in memory. */
  readonly held: number;
}

export interface ResultFile {
  /** Where it lies, or may be put (onDisk). To be deleted after the answer. */
  readonly path: string;
  readonly ext: string;
  /** The content, where it is in memory: nothing lies at `path` then. */
  readonly parts?: Pieces;
}

interface Grid {
  readonly shape: Shape;
  readonly geometry: Geometry;
}

/** Largest mask, in voxels, whose file is kept in memory until it is sent. */
const mostVoxels = 2 ** 25;
/** Bytes of bits of one piece, which has eight times as many: more than a socket takes without being asked to wait. */
const pieceBits = 1 << 16;

const placeOf = (tempDir: string, ext: string) => ({ path: path.join(tempDir, `${randomUUID()}${ext}`), ext });

/** The mask (0 and labels, grid of the image) in the wanted container. Throws as encodeMask. */
export async function resultFile(mask: Uint8Array, { shape, geometry }: Grid, ext: string, tempDir: string, options: MaskOptions): Promise<ResultFile> {
  const file = placeOf(tempDir, ext);
  if (mask.length <= mostVoxels) return { ...file, parts: wholePieces(await maskParts(mask, shape, geometry, ext, options)) };
  await mkdir(tempDir, { recursive: true, mode: 0o700 });
  await encodeMask(mask, shape, geometry, ext, file.path, options);
  return file;
}

/** The same of a mask as mask-bits.ts packs it, which is unpacked only on its way out, whatever its size; null where the container wants all of it at once. Throws as encodeMask. */
export function bitsFile(bits: Uint8Array, { shape, geometry }: Grid, ext: string, tempDir: string, options: MaskOptions): ResultFile | null {
  const voxels = shape[0] * shape[1] * shape[2];
  const header = plainHeader(shape, geometry, ext, options);
  return header && { ...placeOf(tempDir, ext), parts: new BitPieces(header, bits, voxels) };
}

/** What is there already. */
export function wholePieces(parts: readonly Uint8Array[]): Pieces {
  const bytes = parts.reduce((sum, part) => sum + part.length, 0);
  return { bytes, held: bytes, [Symbol.iterator]: () => parts[Symbol.iterator]() };
}

/** A header, and a mask that is unpacked into the same memory piece by piece. */
class BitPieces implements Pieces {
  readonly #header: Uint8Array;
  readonly #bits: Uint8Array;
  readonly #voxels: number;

  constructor(header: Uint8Array, bits: Uint8Array, voxels: number) {
    this.#header = header;
    this.#bits = bits;
    this.#voxels = voxels;
  }

  get bytes(): number {
    return this.#header.length + this.#voxels;
  }

  get held(): number {
    return this.#header.length + this.#bits.length;
  }

  *[Symbol.iterator](): Iterator<Uint8Array> {
    yield this.#header;
    const words = new Uint32Array(2 * Math.min(pieceBits, this.#bits.length));
    for (let at = 0; at < this.#bits.length; at += pieceBits) {
      const bits = this.#bits.subarray(at, at + pieceBits);
      words.fill(0);
      expandInto(words, bits);
      yield new Uint8Array(words.buffer, 0, Math.min(8 * bits.length, this.#voxels - 8 * at));
    }
  }
}

/** Its path, for who needs a file. */
export async function onDisk({ path: target, parts }: ResultFile): Promise<string> {
  if (parts) {
    await mkdir(path.dirname(target), { recursive: true, mode: 0o700 });
    await writeFile(target, parts);
  }
  return target;
}
