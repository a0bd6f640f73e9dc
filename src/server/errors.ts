/** Every failure leaves as `{"detail": …}`, with a sentence where the caller can do something about it. */
import type { ErrorRequestHandler, Request, RequestHandler } from "express";
import multer from "multer";
import type { z } from "zod";
import type { Log } from "../datastore/log.js";
import { LimnetError } from "../errors.js";

/** A query or path parameter that does not fit; answered in the array form of MONAI Label (FastAPI). */
export class ValidationError extends Error {
  readonly detail: readonly Record<string, unknown>[];

  constructor(detail: readonly Record<string, unknown>[]) {
    super("The request does not fit the schema.");
    this.detail = detail;
  }

  static of(place: "query" | "path", error: z.ZodError, input: Record<string, unknown>): ValidationError {
    return new ValidationError(error.issues.map((issue) => {
      const name = String(issue.path[0] ?? "");
      return describe(issue, [place, name], input[name] ?? null);
    }));
  }

  /** A body that is no JSON object where one was expected. */
  static body(type: "dict_type" | "json_invalid", input: unknown): ValidationError {
    const msg = type === "dict_type" ? "Input should be a valid dictionary" : "JSON decode error";
    return new ValidationError([{ type, loc: ["body"], msg, input }]);
  }

  /** A part of the form that has to be there. */
  static missing(name: string): ValidationError {
    return new ValidationError([{ type: "missing", loc: ["body", name], msg: "Field required", input: null }]);
  }
}

function describe(issue: z.core.$ZodIssue, loc: string[], input: unknown): Record<string, unknown> {
  if (issue.code === "invalid_type" && input === null) return { type: "missing", loc, msg: "Field required", input };
  if (issue.code === "invalid_value") {
    const values = issue.values.map((value) => `'${String(value)}'`);
    const expected = values.length > 1 ? `${values.slice(0, -1).join(", ")} or ${values.at(-1)}` : values.join("");
    return { type: "enum", loc, msg: `Input should be ${expected}`, input, ctx: { expected } };
  }
  return { type: "value_error", loc, msg: issue.message, input };
}

interface Answer {
  readonly status: number;
  readonly detail: unknown;
}

/** The answer for an error, whoever threw it. */
export function answerFor(error: unknown): Answer {
  if (error instanceof LimnetError) return { status: error.status, detail: error.message };
  if (error instanceof ValidationError) return { status: 422, detail: error.detail };
  if (error instanceof multer.MulterError) return multerAnswer(error);
  const { status, type, message, code } = error as { status?: number; type?: string; message?: string; code?: string };
  if (type === "entity.too.large") return { status: 413, detail: "The body is larger than this server accepts (forms: LIMNET_MAX_FIELD_BYTES, JSON: LIMNET_MAX_JSON_BYTES)." };
  if (code === "ENOSPC" || code === "EDQUOT") return { status: 507, detail: "The disk of the server is full. Free some space and send the request again." };
  if (code === "EMFILE" || code === "ENFILE") return { status: 503, detail: "The server has as many files open as it may (ulimit -n). Try again in a moment; raise that limit where it happens often." };
  if (code === "EACCES" || code === "EROFS" || code === "EPERM") return { status: 503, detail: "The server may not write to its studies folder, so nothing can be stored there." };
  if (typeof status === "number" && status >= 400 && status < 500) return { status, detail: message ?? "Bad Request" };
  // What busboy says about a body that ends early or is no multipart at all.
  if (/unexpected end|malformed|boundary|multipart|aborted|too many/i.test(message ?? "") && !code) {
    return { status: 400, detail: `The multipart form cannot be read (${message}). Send it whole, with its boundary in Content-Type.` };
  }
  return { status: 500, detail: "Internal Server Error. The server's log says more under the request id of this answer." };
}

function multerAnswer(error: multer.MulterError): Answer {
  if (/LIMIT_(FILE_SIZE|FIELD_VALUE|FIELD_KEY|PART_COUNT|FILE_COUNT|FIELD_COUNT)/.test(error.code)) {
    const limit = error.code === "LIMIT_FILE_SIZE" ? " (LIMNET_MAX_UPLOAD_BYTES)" : error.code === "LIMIT_FIELD_VALUE" ? " (LIMNET_MAX_FIELD_BYTES)" : /PART|FILE_COUNT/.test(error.code) ? " (LIMNET_MAX_PARTS; of a session LIMNET_MAX_SERIES_FILES)" : "";
    return { status: 413, detail: `The form is larger than this server accepts: ${error.message}${error.field ? `, ${error.field.slice(0, 40)}` : ""}${limit}.` };
  }
  return { status: 400, detail: `The form cannot be read: ${error.message}.` };
}

/** Last middleware: writes the answer, and logs what is the server's fault. */
export function errorHandler(log: Log): ErrorRequestHandler {
  return (error, req, res, _next) => {
    const { status, detail } = answerFor(error);
    if (res.closed) {
      // The client hung up: what failed was told to stop.
      log.debug("request abandoned", { requestId: res.locals.requestId });
      return;
    }
    // What this server does not do is nobody's failure.
    if (status >= 500 && status !== 501) log.error("request failed", { requestId: res.locals.requestId, status, error: withoutPaths(String(error?.stack ?? error)) });
    if (res.headersSent) {
      // Half an answer must not look like a whole one.
      res.destroy();
      return;
    }
    for (const name of ["Content-Length", "Content-Disposition", "Content-Type", "ETag", "Last-Modified", "Accept-Ranges"]) res.removeHeader(name);
    if (error instanceof LimnetError && error.retryAfter !== undefined) res.setHeader("Retry-After", String(Math.max(1, Math.ceil(error.retryAfter))));
    if (!req.complete) readOn(req, status);
    if (status === 401) res.setHeader("WWW-Authenticate", "Bearer");
    res.status(status).json({ detail });
  };
}

/** What the file system says quotes the file, and the name of a scan may be that of a patient. */
function withoutPaths(text: string): string {
  return text.replace(/'[^'\n]*[/\\][^'\n]*'/g, "'(a file)'");
}

/** Bytes that are read after a refusal. */
const patience = 64 * 1024 ** 2;

/**
 * A client that still sends would not see the answer if the connection closed at once, so the rest is read and thrown away. Not all of
 * it from those who may not send it at all.
 */
function readOn(req: Request, status: number): void {
  req.resume();
  if (![401, 403, 413, 429].includes(status)) return;
  let left = patience;
  req.on("data", (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) req.destroy();
  });
}

/** For paths that nobody serves. */
export const notFound: RequestHandler = (_req, res) => {
  res.status(404).json({ detail: "Not Found" });
};
