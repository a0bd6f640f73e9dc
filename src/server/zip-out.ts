/** Archives on their way to a client: stored, not packed, so that the length is known before the first byte. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Response } from "express";
import yazl from "yazl";
import { contentDisposition } from "./downloads.js";

/** One member of an archive. `name` is ours or checked (names.ts), with "/" between folders. */
export type ZipEntry = { readonly name: string; readonly path: string } | { readonly name: string; readonly bytes: Buffer };

/** All members get one date, so that the same files make the same bytes. */
const date = new Date("2000-01-01T00:00:00Z");

/** The archive as a stream, one file open at a time, and its length. A file that changes meanwhile breaks the stream off. */
export async function zipStream(entries: readonly ZipEntry[]): Promise<{ stream: Readable; length: number }> {
  const zip = new yazl.ZipFile();
  const out = zip.outputStream as Readable;
  let open: Readable | null = null;
  out.once("close", () => open?.destroy());
  zip.on("error", (error: Error) => out.destroy(error));
  for (const entry of entries) {
    const options = { mtime: date, mode: 0o100644, compress: false };
    if ("bytes" in entry) zip.addBuffer(entry.bytes, entry.name, options);
    else {
      const { size } = await stat(entry.path);
      zip.addReadStreamLazy(entry.name, { ...options, size }, (done) => done(null, (open = createReadStream(entry.path))));
    }
  }
  const length = await new Promise<number>((resolve) => zip.end({ forceZip64Format: false, comment: "" }, resolve as () => void));
  return { stream: out, length };
}

/** Sends an archive as a download. Resolves when it is gone out, or the client is. */
export async function sendZip(res: Response, name: string, entries: readonly ZipEntry[], signal: AbortSignal): Promise<void> {
  const { stream, length } = await zipStream(entries);
  res.setHeader("Content-Type", "application/zip");
  res.setHeader("Content-Disposition", contentDisposition(name));
  res.setHeader("Cache-Control", "private, no-cache");
  res.setHeader("Content-Length", length);
  try {
    await pipeline(stream, res, { signal });
  } catch (error) {
    if (!res.destroyed) throw error;
  }
}
