/** Forms: multipart with files, urlencoded, or none at all. Files go to the request's temporary folder under names of ours. */
import { randomBytes } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import express, { type Request, type Response } from "express";
import multer from "multer";
import { labelExtensions, splitName } from "../datastore/names.js";
import { LimnetError } from "../errors.js";
import { parseObject } from "./bodies.js";
import type { Config } from "./config.js";
import type { Scratch } from "./context.js";
import { DurableStorage } from "./durable-storage.js";
import { feedForm } from "./form-feed.js";

export interface Upload {
  readonly path: string;
  /** With its dot; ".nii.gz" where the client gave no name. */
  readonly ext: string;
  /** Last component of the client's name without extension; "" where it gave none. Never log it. */
  readonly stem: string;
}

export interface Form {
  /** Text of a field, or undefined. A file part of that name counts too: a browser's Blob always has a file name. */
  text(name: string): Promise<string | undefined>;
  /** The JSON object in a field; {} where there is none. */
  object(name: string): Promise<Record<string, unknown>>;
  file(name: string): Upload | undefined;
  files(name: string): Upload[];
}

interface FormOptions {
  readonly req: Request;
  readonly res: Response;
  readonly config: Config;
  readonly scratch: Scratch;
  /** Names of the parts that may hold files; other file parts are skipped. */
  readonly files: readonly string[];
  /** Names of text fields that may also come as a Blob. */
  readonly texts: readonly string[];
  /** Most parts; the setting of that name where it is not given. */
  readonly maxParts?: number;
}

/** Reads the form of a request. A body of another type counts as an empty form, as in MONAI Label. */
export async function readForm(options: FormOptions): Promise<Form> {
  const { req, res, config } = options;
  refuseOversize(req, config);
  await run(multipartReader(options), req, res);
  if (req.is("urlencoded")) await run(express.urlencoded({ extended: false, limit: config.maxFieldBytes }), req, res);
  const fields: Record<string, unknown> = req.body ?? {};
  const parts = (req.files as Express.Multer.File[] | undefined) ?? [];
  const text = async (name: string) => {
    const part = parts.findLast((one) => one.fieldname === name);
    if (part) return readText(part.path, config.maxFieldBytes);
    const value = Object.hasOwn(fields, name) ? fields[name] : undefined;
    const last = Array.isArray(value) ? value.at(-1) : value;
    return typeof last === "string" ? last : undefined;
  };
  return {
    text,
    object: async (name) => parseObject(await text(name), name, config),
    file: (name) => parts.filter((one) => one.fieldname === name).map(toUpload).at(-1),
    files: (name) => parts.filter((one) => one.fieldname === name).map(toUpload),
  };
}

/** Text fields are held in memory; no form of a client has half as many. */
const mostFields = 16;

function multipartReader({ config, scratch, files, texts, maxParts = config.maxParts }: FormOptions): express.RequestHandler {
  return multer({
    storage: new DurableStorage(async (file) =>
      join(await scratch.folder(), `upload-${randomBytes(8).toString("hex")}${splitUploadName(file.originalname).ext}`), config.maxUploadBytes),
    // Browsers and Python send names in UTF-8; busboy would read latin1.
    defParamCharset: "utf8",
    fileFilter: (_req, file, done) => done(null, files.includes(file.fieldname) || texts.includes(file.fieldname)),
    ...reading,
    limits: { fileSize: config.maxUploadBytes, fieldSize: config.maxFieldBytes, parts: maxParts, files: maxParts, fields: mostFields, fieldNameSize: 200 },
  }).any();
}

/** Of multer, its types do not know it yet: the parser may be as far ahead of the disk as a piece that is written. */
const reading = { streamHandler: feedForm, highWaterMark: 1 << 18, fileHwm: 1 << 20 } as object;

/** Said before the body is read, where the client tells its size. */
function refuseOversize(req: Request, config: Config): void {
  const length = Number(req.headers["content-length"] ?? 0);
  if (length > config.maxUploadBytes + config.maxFieldBytes) {
    throw new LimnetError("too_large", `The upload has ${length} bytes; this server accepts ${config.maxUploadBytes} (LIMNET_MAX_UPLOAD_BYTES).`);
  }
}

/**
 * The name of a part is the full path on the client's machine in Slicer's case: only the extension of its last component is used,
 * and for PUT image the stem as id where the client names none.
 */
export function splitUploadName(name: string): { stem: string; ext: string } {
  const last = name.split(/[/\\]/).at(-1) ?? "";
  const known = splitName(last, labelExtensions);
  if (known) return { stem: known.id, ext: known.ext };
  const suffix = /\.[A-Za-z0-9_+-]{1,12}$/.exec(last)?.[0];
  return suffix ? { stem: last.slice(0, -suffix.length), ext: suffix } : { stem: last, ext: ".nii.gz" };
}

function toUpload(part: Express.Multer.File): Upload {
  return { path: part.path, ...splitUploadName(part.originalname) };
}

async function readText(path: string, limit: number): Promise<string> {
  if ((await stat(path)).size > limit) throw new LimnetError("too_large", `A text part of the form is longer than ${limit} bytes.`);
  return readFile(path, "utf8");
}

function run(middleware: express.RequestHandler, req: Request, res: Response): Promise<void> {
  return new Promise((resolve, reject) => {
    middleware(req, res, (error?: unknown) => (error ? reject(error) : resolve()));
  });
}
