/**
 * /proxy/dicom/…: DICOMweb for viewers, with the archive's credentials kept here (protocol 5.3). What a client asks for is read into a
 * resource and written anew (src/dicomweb/resources.ts); bodies stream both ways.
 */
import type { Request, Response } from "express";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { badAnswer, badStatus } from "../../dicomweb/errors.js";
import type { ArchiveAnswer } from "../../dicomweb/http.js";
import { parseResource, resourceUrl } from "../../dicomweb/resources.js";
import { LimnetError } from "../../errors.js";
import { type Call, type Endpoint, endpoint } from "../endpoint.js";

const pathSchema = z.object({ path: z.string() });
type ProxyCall = Call<z.infer<typeof pathSchema>, Record<string, never>>;

/** Headers that travel on; everything else of a client stays here: cookies, tokens, addresses. */
const forwarded = ["accept", "range", "if-none-match", "if-modified-since", "if-range"] as const;
const returned = ["content-type", "content-length", "content-range", "accept-ranges", "etag", "last-modified", "content-location", "warning"] as const;
/** A search may list much, a study may be large; without end is neither. */
const mostBytes = 64 * 2 ** 30;

export function proxyRoutes(): Endpoint[] {
  const roots = ["/proxy/dicom/wado/{path}", "/proxy/dicom/qido/{path}", "/proxy/dicom/stow/{path}", "/proxy/dicom/{path}"];
  return roots.flatMap((path) => {
    const common = {
      path, tag: "DICOMweb", pathSchema,
      conformance: { note: "resources of DICOMweb only; query, Accept and Range travel on, credentials never leave the server; without an archive 404" },
      fails: [404, 413, 502, 504],
      handle: (call: ProxyCall) => pass(call),
    };
    const reply = { "application/dicom+json": {}, "multipart/related": { type: "string", format: "binary" } };
    return [
      endpoint({ ...common, method: "get", role: "user", summary: "Search or retrieve in the archive", reply }),
      endpoint({ ...common, method: "head", role: "user", summary: "The same without a body" }),
      endpoint({ ...common, method: "post", role: "annotator", summary: "Store in the archive (STOW-RS)", body: { "multipart/related": { type: "string", format: "binary" } }, reply: { "application/dicom+json": {} } }),
    ];
  });
}

async function pass({ path, req, res, signal, context: { archive, config } }: ProxyCall): Promise<void> {
  if (!archive) throw new LimnetError("not_found", "The studies of this server are a folder, not a DICOM archive: there is nothing to pass on. Start it with --studies http://… for that.");
  const method = req.method as "GET" | "HEAD" | "POST";
  const query = new URL(req.originalUrl, "http://here").searchParams;
  const resource = parseResource(method, path.path, query);
  if (Number(req.headers["content-length"] ?? 0) > config.maxUploadBytes) throw new LimnetError("too_large", `The upload is larger than the ${config.maxUploadBytes} bytes that this server passes on (LIMNET_MAX_UPLOAD_BYTES).`);
  const answer = await archive.client.http.send({
    method, signal, url: resourceUrl(archive.client.settings, resource),
    headers: { ...headersOf(req), ...(method === "POST" && storeHeaders(req)) },
    ...(method === "POST" && { body: bounded(req, config.maxUploadBytes) }),
  });
  await sendOn(answer, res, method);
}

function headersOf(req: Request): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of forwarded) {
    const value = req.headers[name];
    if (typeof value === "string" && value.length <= 2000) found[name] = value;
  }
  return found;
}

function storeHeaders(req: Request): Record<string, string> {
  const type = req.headers["content-type"] ?? "";
  if (!/^\s*(multipart\/related|application\/dicom)\b/i.test(type)) throw new LimnetError("bad_request", "To store, send multipart/related; type=\"application/dicom\".");
  const length = req.headers["content-length"];
  return { "Content-Type": type, ...(length && /^\d{1,15}$/.test(length) && { "Content-Length": length }) };
}

/** The body as it comes, ended with an error where it is larger than allowed. */
function bounded(req: Request, most: number): NodeJS.ReadableStream {
  let size = 0;
  req.on("data", (piece: Buffer) => {
    size += piece.length;
    if (size > most) req.destroy(new LimnetError("too_large", `The upload is larger than the ${most} bytes that this server passes on (LIMNET_MAX_UPLOAD_BYTES).`));
  });
  req.pause();
  return req;
}

async function sendOn(answer: ArchiveAnswer, res: Response, method: string): Promise<void> {
  // The archive's "who are you" is about this server, not about the client.
  if (answer.status === 401 || answer.status === 403 || (answer.status >= 300 && answer.status !== 304 && answer.status < 400)) {
    answer.discard();
    throw answer.status < 400 ? badAnswer("redirects, which is not passed on") : badStatus(answer.status);
  }
  const type = String(answer.headers["content-type"] ?? "");
  if (/html|javascript|svg/i.test(type)) {
    answer.discard();
    throw badAnswer("answered with a web page where DICOM was expected");
  }
  res.status(answer.status);
  for (const name of returned) {
    const value = answer.headers[name];
    if (typeof value === "string") res.setHeader(name, value);
  }
  res.setHeader("Cache-Control", "private, no-cache");
  if (method === "HEAD" || answer.status === 204 || answer.status === 304) {
    answer.discard();
    res.end();
    return;
  }
  try {
    await pipeline(limited(answer.body), res);
  } catch (error) {
    // Half an answer must not look like a whole one; who hung up needs none.
    if (!res.destroyed) res.destroy();
    if (!res.headersSent) throw error;
  }
}

async function* limited(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const piece of body) {
    size += piece.length;
    if (size > mostBytes) throw badAnswer("sent more than one answer may hold");
    yield piece;
  }
}
