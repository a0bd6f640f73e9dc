/** Puts a header and voxels into a file, or into memory, compressed on the thread pool. */
import { createWriteStream } from "node:fs";
import { open } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { constants, createGzip, gzip as deflate } from "node:zlib";
import type { Voxels } from "./volume.js";

const chunkBytes = 1 << 20;
/** Of one write to a file: few ways to the thread pool, and below what one system call takes. */
const pieceBytes = 1 << 28;
const packing = { level: 1, chunkSize: 1 << 18 };

export type Packing = "none" | "voxels" | "all";

/** How a container lays out a volume. */
export interface Laid {
  readonly header: Buffer;
  readonly voxels: Voxels;
  readonly gzip: Packing;
}

/**
 * Writes `header` and then `voxels` (little-endian) to `path`. "all" compresses both as one gzip stream (.nii.gz),
 * "voxels" only what follows the header (NRRD). One gzip member, as some readers stop after the first; level 1, as
 * higher levels cost twice the time for a few per cent. The array must not change until the promise settles.
 */
export async function writeParts(path: string, header: Buffer, voxels: Voxels, gzip: Packing): Promise<void> {
  const body = Buffer.from(voxels.buffer, voxels.byteOffset, voxels.byteLength);
  function* parts(): Generator<Buffer> {
    if (gzip === "all") yield header;
    for (let at = 0; at < body.length; at += chunkBytes) yield body.subarray(at, at + chunkBytes);
  }
  if (gzip === "none") return writePlain(path, header, body);
  const out = createWriteStream(path);
  if (gzip === "voxels") out.write(header);
  return pipeline(Readable.from(parts()), createGzip(packing), out);
}

/** The same as pieces in memory, for masks, which are made of runs. Where nothing is compressed, the last piece is the array itself. */
export async function partsOf({ header, voxels, gzip }: Laid): Promise<Uint8Array[]> {
  const body = Buffer.from(voxels.buffer, voxels.byteOffset, voxels.byteLength);
  if (gzip === "none") return [header, body];
  // Half the time of the usual strategy on a mask, and half the size.
  const options = { ...packing, ...(voxels.BYTES_PER_ELEMENT === 1 && { strategy: constants.Z_RLE }) };
  if (gzip === "all") return [await promisify(deflate)(Buffer.concat([header, body]), options)];
  return [header, await promisify(deflate)(body, options)];
}

async function writePlain(path: string, ...parts: readonly Buffer[]): Promise<void> {
  const handle = await open(path, "w");
  try {
    for (const part of parts) {
      for (let at = 0; at < part.length; ) at += (await handle.write(part, at, Math.min(pieceBytes, part.length - at))).bytesWritten;
    }
  } finally {
    await handle.close();
  }
}
