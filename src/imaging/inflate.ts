/** gzip and zlib data of an image file, unpacked on the thread pool and no further than the header declares. */
import { once } from "node:events";
import type { FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";
import { crc32, createInflateRaw, createUnzip, type Unzip } from "node:zlib";
import { allocate, chunkBytes, pieces, type Source, truncated } from "./source.js";
import { badVolume } from "./volume.js";

/** Deflate cannot pack more than 1032 bytes into one (zlib manual, "maximum compression factor"). */
const deflateFactor = 1032;

/** How far past the declared size unpacking goes on towards the checksum, before it is given up: a bomb stops there. */
const surplus = 1 << 20;

/** The first `bytes` after unpacking; looks at no more than the first megabyte of the file. */
export async function inflateHead({ file, size }: Source, bytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let got = 0;
  for await (const part of through(createUnzip({ chunkSize: bytes }), file, 0, Math.min(size, 1 << 20))) {
    parts.push(part);
    got += part.length;
    if (got >= bytes) break;
  }
  return Buffer.concat(parts).subarray(0, bytes);
}

/**
 * `bytes` unpacked bytes (gzip or zlib from `start` on, the first `skip` thrown away), checked by the checksum.
 * @throws LimnetError bad_volume, out_of_memory; errors of zlib
 */
export async function readDeflated(source: Source, start: number, skip: number, bytes: number): Promise<ArrayBuffer> {
  const { file, size } = source;
  if (skip + bytes > (size - start) * deflateFactor) throw badVolume(truncated);
  const buffer = allocate(bytes);
  const target = new Uint8Array(buffer);
  try {
    await fill(target, skip, through(createUnzip({ chunkSize: chunkBytes }), file, start, size));
  } catch (error) {
    // Node takes whatever follows a gzip member for the next member, and fails where gzip(1) ignores it.
    if ((error as NodeJS.ErrnoException).code !== "Z_DATA_ERROR") throw error;
    if (!(await fillFromFirstMember(target, skip, source, start))) throw error;
  }
  return buffer;
}

async function fill(target: Uint8Array, skip: number, parts: AsyncIterable<Buffer>): Promise<void> {
  let at = -skip;
  for await (const part of parts) {
    const from = Math.max(0, -at);
    const wanted = part.subarray(from, Math.max(from, Math.min(part.length, target.length - at)));
    if (wanted.length > 0) target.set(wanted, at + from);
    at += part.length;
    if (at > target.length + surplus) return;
  }
  if (at < target.length) throw badVolume(truncated);
}

/** Leaving the loop stops the work. */
async function* through(unzip: Unzip, file: FileHandle, start: number, end: number): AsyncGenerator<Buffer> {
  const input = Readable.from(pieces(file, start, end), { objectMode: false });
  input.on("error", (error) => unzip.destroy(error));
  try {
    yield* input.pipe(unzip);
  } finally {
    unzip.destroy();
    input.destroy();
    // The file must stay open until the last read has come back.
    if (!input.closed) await once(input, "close");
  }
}

/** True when the first gzip member alone fills the target and its checksum is right. */
async function fillFromFirstMember(target: Uint8Array, skip: number, { file, size }: Source, start: number): Promise<boolean> {
  const head = Buffer.alloc(Math.min(1 << 16, size - start));
  await file.read(head, 0, head.length, start);
  const body = gzipHeaderBytes(head);
  if (body === undefined) return false;
  const raw = createInflateRaw({ chunkSize: chunkBytes });
  let sum = 0;
  async function* summed() {
    for await (const part of through(raw, file, start + body!, size)) {
      sum = crc32(part, sum);
      yield part;
    }
  }
  await fill(target, skip, summed());
  const trailer = Buffer.alloc(4);
  await file.read(trailer, 0, 4, start + body + raw.bytesWritten);
  return trailer.readUInt32LE() === sum;
}

/** RFC 1952, 2.3: ten bytes, then what the flags announce. */
function gzipHeaderBytes(head: Buffer): number | undefined {
  if (head.length < 18 || head.readUInt16BE(0) !== 0x1f8b) return undefined;
  const flags = head[3];
  let at = 10;
  if (flags & 4) at += 2 + head.readUInt16LE(at);
  for (const text of [8, 16]) if (flags & text) at = head.indexOf(0, at) + 1;
  if (flags & 2) at += 2;
  return at < 10 || at >= head.length ? undefined : at;
}
