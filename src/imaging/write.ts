/** Puts a header and voxels into a file, compressed on the thread pool. */
import { createWriteStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import type { Voxels } from "./volume.js";

const chunkBytes = 1 << 20;

/**
 * Writes `header` and then `voxels` (little-endian) to `path`. "all" compresses both as one gzip stream (.nii.gz),
 * "voxels" only what follows the header (NRRD). One gzip member, as some readers stop after the first; level 1, as
 * higher levels cost twice the time for a few per cent. The array must not change until the promise settles.
 */
export async function writeParts(path: string, header: Buffer, voxels: Voxels, gzip: "none" | "voxels" | "all"): Promise<void> {
  const body = Buffer.from(voxels.buffer, voxels.byteOffset, voxels.byteLength);
  function* parts(): Generator<Buffer> {
    if (gzip !== "voxels") yield header;
    for (let at = 0; at < body.length; at += chunkBytes) yield body.subarray(at, at + chunkBytes);
  }
  if (gzip === "none") return writeFile(path, parts());
  const out = createWriteStream(path);
  if (gzip === "voxels") out.write(header);
  return pipeline(Readable.from(parts()), createGzip({ level: 1, chunkSize: 1 << 18 }), out);
}
