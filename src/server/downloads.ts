/** Files on their way to a client. */
import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { Response } from "express";
import type { Pieces } from "../apps/result-file.js";
import { LimnetError } from "../errors.js";

/** Content type by file name, as Python guesses it: volumes are octet streams, MITK looks for that very text. */
export function mimeType(name: string): string {
  if (/\.dcm$/i.test(name)) return "application/dicom";
  if (/\.json$/i.test(name)) return "application/json";
  if (/\.png$/i.test(name)) return "image/png";
  if (/\.jpe?g$/i.test(name)) return "image/jpeg";
  if (/\.tiff?$/i.test(name)) return "image/tiff";
  if (/\.xml$/i.test(name)) return "application/xml";
  return "application/octet-stream";
}

/** Header for a download; the extended form (RFC 5987) for every name that is more than plain characters. */
export function contentDisposition(name: string): string {
  const quoted = encodeURIComponent(name).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  return quoted === name ? `attachment; filename="${name}"` : `attachment; filename*=utf-8''${quoted}`;
}

function headersOf(res: Response, name: string): void {
  res.setHeader("Content-Type", mimeType(name));
  res.setHeader("Content-Disposition", contentDisposition(name));
  // Scans are nobody else's business, and an image may be replaced under its id: ask again each time.
  res.setHeader("Cache-Control", "private, no-cache");
}

/** Sends what is in memory, with its length. Resolves when it is gone out, or the client is. */
export async function sendBytes(res: Response, parts: Pieces, name: string): Promise<void> {
  headersOf(res, name);
  res.status(200).setHeader("Content-Length", parts.bytes);
  await sendPieces(res, parts);
}

/**
 * No faster than the client reads; a client that hung up ends it. Resolves when all is gone out. A piece that made it wait has gone out when
 * the next is asked for: its memory may be used again.
 */
async function sendPieces(res: Response, pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void> {
  const heard = (event: "drain" | "finish") => new Promise<void>((resolve) => {
    const over = () => {
      res.off(event, over).off("close", over);
      resolve();
    };
    res.on(event, over).on("close", over);
  });
  for await (const piece of pieces) {
    if (!res.write(piece) && !res.destroyed) await heard("drain");
    if (res.destroyed) return;
  }
  const finished = heard("finish");
  res.end();
  await finished;
}

/** Sends a file with length, ETag, Last-Modified and ranges. Resolves when it is gone out. */
export async function sendDownload(res: Response, path: string, name: string, missing: string): Promise<void> {
  const found = await stat(path, { bigint: true }).catch(() => null);
  if (!found) throw new LimnetError("not_found", missing);
  res.setHeader("ETag", `"${found.size.toString(16)}-${found.mtimeNs.toString(16)}-${found.ino.toString(16)}"`);
  headersOf(res, name);
  await new Promise<void>((resolve, reject) => {
    // The path comes from the datastore, not from the request; folders above it may well begin with a dot.
    res.sendFile(path, { dotfiles: "allow", etag: false, lastModified: true, acceptRanges: true }, (error?: Error & { code?: string; status?: number }) => {
      if (!error || error.code === "ECONNABORTED" || error.code === "EPIPE" || error.code === "ECONNRESET") resolve();
      else if (error.status === 404 || error.code === "ENOENT") reject(new LimnetError("not_found", missing));
      else reject(error);
    });
  });
}

/**
 * The reply of /infer: part `params`, then part `image`. Slicer's client hands the raw socket to Python's multipart parser, so the
 * length is always told and nothing is chunked or compressed; MITK splits the text at fixed strings, so order and headers are fixed.
 */
export async function sendMultipart(res: Response, json: unknown, file: { path: string; name: string; parts?: Pieces }): Promise<void> {
  const boundary = randomBytes(16).toString("hex");
  const head = Buffer.from(
    `--${boundary}\r\nContent-Disposition: form-data; name="params"\r\nContent-Type: application/json\r\n\r\n${JSON.stringify(json)}\r\n` +
    `--${boundary}\r\nContent-Disposition: form-data; name="image"; filename="${file.name}"\r\nContent-Type: ${mimeType(file.name)}\r\n\r\n`);
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  const size = file.parts?.bytes ?? (await stat(file.path)).size;
  res.status(200);
  res.setHeader("Content-Type", `multipart/form-data; boundary=${boundary}`);
  res.setHeader("Content-Length", head.length + size + tail.length);
  async function* body() {
    yield head;
    if (file.parts) yield* file.parts;
    else if (size > 0) yield* createReadStream(file.path, { end: size - 1, highWaterMark: 1 << 20 });
    yield tail;
  }
  await sendPieces(res, body());
}
