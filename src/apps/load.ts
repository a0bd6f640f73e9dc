/** Opens an app folder: `app.json` says which app it is and what it is called. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { Datastore } from "../datastore/datastore.js";
import type { SharedTurns } from "../datastore/file-turns.js";
import type { Log } from "../datastore/log.js";
import { codeTableSchema } from "../dicom/seg/codes.js";
import { EngineProcess } from "../engine/client.js";
import { parseDevice } from "../engine/device.js";
import { modelsFolder, openModel } from "../engine/models.js";
import type { Engine } from "../engine/protocol.js";
import type { LimnetError } from "../errors.js";
import type { LocalQueueOptions } from "../jobs/local.js";
import type { Peers } from "../jobs/peers.js";
import type { App, AppLimits } from "./app.js";
import { aliasName } from "./limnet/aliases.js";
import { LimnetApp, modelNames } from "./limnet/app.js";
import type { SegmentQueue } from "./limnet/object-request.js";

/** Further names under which the models are published. */
const aliasNames = z.array(z.string().regex(aliasName, "names of models have letters, digits, _ . - and no spaces"))
  .refine((names) => !names.some((name) => modelNames.includes(name)), "a model of this app has that name already")
  .transform((names) => [...new Set(names)]);

const appSchema = z.strictObject({
  app: z.literal("limnet"),
  name: z.string().min(1).max(256),
  description: z.string().max(4096).default(""),
  labels: z.array(z.string().min(1).max(256)).min(1).max(1000),
  /** What labels mean in DICOM, by name (src/dicom/seg/codes.ts). */
  codes: codeTableSchema.default({}),
  /** Such as ["deepgrow_3d", "deepedit", "sam_3d"]; `--conf aliases` takes its place. */
  aliases: aliasNames.default([]),
});

/** `--conf KEY VALUE`. Keys that only MONAI Label's own apps know are let through, so that a copied command line still starts. */
const confSchema = z.looseObject({
  /** Comma-separated names of models, or "all". */
  models: z.string().default("all").transform((text) => (text === "all" ? [...modelNames] : text.split(",").map((name) => name.trim())))
    .pipe(z.array(z.enum(modelNames, `the models are ${modelNames.join(", ")}; --conf aliases NAME publishes limnet and limnet_2d under other names`)).min(1)),
  /** Comma-separated further names, or "" for none. */
  aliases: z.string().transform((text) => text.split(",").map((name) => name.trim()).filter((name) => name !== "")).pipe(aliasNames).optional(),
  fusion: z.enum(["network", "none"]).default("network"),
  memory: z.enum(["permanent", "literal"]).default("permanent"),
  /** Makes the order of strategy random a fixed shuffle. */
  seed: z.string().min(1).optional(),
  /** "true" offers none. */
  skip_strategies: z.string().default("false"),
  skip_scoring: z.string().default("false"),
  /** Threads of the engine; default as many as the machine gives. */
  threads: z.coerce.number().int().min(1).max(256).optional(),
  /** Folder with manifest.json and the graphs; default models/ of the package. */
  models_dir: z.string().min(1).optional(),
  /** Networks of that folder, by name (`limnet models list`); default the manifest's own choice. */
  model: z.string().min(1).max(64).optional(),
  /** Where the networks run, as MONAI Label names it; what is missing is said in the log, and the CPU is taken. */
  device: z.string().default("auto").transform((text, ctx) => {
    try {
      return parseDevice(text) ?? "auto";
    } catch (error) {
      ctx.addIssue((error as LimnetError).message);
      return z.NEVER;
    }
  }),
  /** "auto": int8 where the manifest allows it and it is the faster one on this machine. */
  precision: z.enum(["auto", "fp32", "int8"]).default("auto"),
});

/** An app that cannot be started; the message says what to change. */
export class AppError extends Error {}

export interface LoadOptions {
  readonly appDir: string;
  readonly conf: Readonly<Record<string, string>>;
  /** LIM-Net has no use for it beside what each request brings; other apps may. */
  readonly datastore: Datastore;
  readonly stateDir: string;
  /** Bytes that journals and kept masks may take; default: no limit. */
  readonly stateLimit?: number;
  readonly logger: Log;
  readonly limits?: AppLimits;
  /** Default: an engine process of its own. */
  readonly engine?: Engine;
  /** Of a queue in this process. */
  readonly queueing?: LocalQueueOptions;
  /** Bytes that server and engine may use together; default: not looked at. */
  readonly memoryBytes?: number;
  /** Given the digest of the networks, makes the way to engines elsewhere; default: an engine and a queue of this process. */
  readonly elsewhere?: (model: string) => Promise<{ readonly queue: SegmentQueue; readonly peers?: Peers }>;
  /** Of servers that share the state folder. */
  readonly turns?: SharedTurns;
}

/** Reads `<appDir>/app.json` and builds the app; nothing runs before its `start`. Throws AppError, LimnetError bad_model. */
export async function loadApp({ appDir, conf, stateDir, stateLimit, logger, limits, engine, elsewhere, turns, queueing, memoryBytes }: LoadOptions): Promise<App> {
  const { name, description, labels, codes, aliases: appAliases } = checked(appSchema, await readJson(path.join(appDir, "app.json")), "app.json of the app folder");
  const { models, aliases = appAliases, fusion, memory, seed, models_dir: modelsDir = modelsFolder(), model, skip_strategies, skip_scoring } = checked(confSchema, conf, "--conf");
  const unknown = Object.keys(conf).filter((key) => !Object.hasOwn(confSchema.shape, key));
  if (unknown.length > 0) logger.warn(`--conf ${unknown.join(", ")}: not known here, so it changes nothing. Known: ${Object.keys(confSchema.shape).join(", ")}.`);
  const version = await packageVersion();
  const options = { name: `${name} (${version})`, description, version, labels, codes, stateDir, stateLimit, log: logger, fusion, memory, seed, models, aliases, memoryBytes, queueing, limits, skipStrategies: isTrue(skip_strategies), skipScoring: isTrue(skip_scoring) };
  if (engine) return new LimnetApp({ ...options, engine });
  const { digest, files } = await openModel(modelsDir, model);
  const known = { ...options, modelDigest: digest, modelFiles: files.map((file) => ({ name: file, path: path.join(modelsDir, file) })) };
  if (elsewhere) return new LimnetApp({ ...known, turns, ...(await elsewhere(digest)) });
  return new LimnetApp({ ...known, ...(await openEngine({ conf, logger, memoryBytes })) });
}

/** The engine that the settings of an app name, not started, and the digest of its networks. Throws AppError, LimnetError bad_model. */
export async function openEngine({ conf, logger, memoryBytes }: Pick<LoadOptions, "conf" | "logger" | "memoryBytes">): Promise<{ engine: EngineProcess; modelDigest: string }> {
  const { threads, models_dir: modelsDir = modelsFolder(), model, device, precision } = checked(confSchema, conf, "--conf");
  const { digest } = await openModel(modelsDir, model);
  return { engine: new EngineProcess({ modelsDir, model, threads, device, precision, logger, memoryBytes }), modelDigest: digest };
}

const isTrue = (text: string) => text.toLowerCase() === "true";

function checked<T extends z.ZodType>(schema: T, value: unknown, where: string): z.output<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "it"}: ${issue.message}`);
  throw new AppError(`${where} cannot be used. ${problems.join("; ")}.`);
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, "utf8"));
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw new AppError(missing ? "There is no app.json in the app folder (--app); is it the right folder?" : "app.json of the app folder cannot be read as JSON.", { cause });
  }
}

async function packageVersion(): Promise<string> {
  const { version } = (await readJson(fileURLToPath(new URL("../../package.json", import.meta.url)))) as { version: string };
  return version;
}
