/** Everything that can be set, in one schema: a flag wins over the environment, the environment over the default. */
import { isIP } from "node:net";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { z } from "zod";
import { archiveEnvironment, archiveFolders, archiveShape, credentialNames, isArchive } from "./archive-settings.js";
import { authEnvironment, authShape } from "./auth/settings.js";
import { limitEnvironment, limitShape } from "./limits.js";
import { operationsEnvironment, operationsShape } from "./operations/settings.js";
import { tlsEnvironment, tlsShape } from "./tls.js";

const flag = (value: unknown) => (typeof value === "string" ? /^(true|1|yes|on|t|y)$/i.test(value) : value);
const json = (value: unknown) => (typeof value === "string" ? (value.trim() === "" ? undefined : JSON.parse(value)) : value);

const schema = z.object({
  app: z.string().min(1).meta({ description: "Folder of the app (labels, windows, model choice)" }),
  studies: z.string().min(1).meta({ description: "Folder of the scans, or address of a DICOMweb archive" }),
  host: z.string().min(1).default("127.0.0.1"),
  port: z.coerce.number().int().min(0).max(65535).default(8000),
  conf: z.preprocess(json, z.record(z.string(), z.coerce.string()).default({})),
  verbose: z.preprocess((value) => (typeof value === "string" ? value.toLowerCase() : value),
    z.enum(["debug", "info", "warning", "warn", "error"]).default("info")),
  insecure: z.preprocess(flag, z.boolean().default(false)),
  /** Journals, temporary files and sessions. Beside the studies, so that a finished upload is renamed and not copied. */
  state: z.string().min(1).optional(),
  /** Path in front of every API route, for a server that shares its address with others. */
  prefix: z.string().regex(/^(\/[A-Za-z0-9._~-]+)*$/, "must look like /limnet").default(""),
  /** Web pages that may use the server beside its own and, without a login, those of the same machine; "*" for all. */
  corsOrigins: z.preprocess(json, z.array(z.string()).default([])),
  /** Folder of a build of the OHIF viewer, served under /ohif/. */
  ohif: z.string().min(1).optional(),
  /** The log on disk, beside standard error; GET /logs/ shows it. */
  logFile: z.string().min(1).optional(),
  /** Names that a server for this machine answers to beside the machine's own, as behind a proxy. */
  allowHosts: z.preprocess(json, z.array(z.string()).default([])),
  /** Proxies in front, whose X-Forwarded-For says who asks. */
  trustProxy: z.coerce.number().int().min(0).max(10).default(0),
  /** Path that a proxy in front takes away before requests come here: addresses in the description begin with it. */
  rootPath: z.string().regex(/^(\/[A-Za-z0-9._~-]+)*\/?$/, "must look like /limnet").transform((text) => text.replace(/\/$/, "")).default(""),
  sessions: z.preprocess(flag, z.boolean().default(true)),
  /** Families of tasks that are offered. */
  strategyTasks: z.preprocess(flag, z.boolean().default(true)),
  scoringTasks: z.preprocess(flag, z.boolean().default(true)),
  batchTasks: z.preprocess(flag, z.boolean().default(true)),
  /** Seconds; MONAI Label reads values up to 60 as an hour. */
  sessionExpiry: z.coerce.number().default(3600).transform((seconds) => (seconds > 60 ? seconds : 3600)),
  /** Seconds for which an image that a client was given to label is given to no other; 0 switches that off. */
  leaseSeconds: z.coerce.number().min(0).default(3600),
  inferTimeout: z.coerce.number().positive().default(600),
  /** How DICOM segmentations are written: "labelmap" is smaller, but only newer programs read it. */
  dicomSeg: z.enum(["binary", "labelmap"]).default("binary"),
  ...archiveShape,
  ...limitShape,
  ...authShape,
  ...operationsShape,
  ...tlsShape,
});

export type Config = Readonly<z.infer<typeof schema> & { state: string; logFile: string }>;
export type ConfigInput = Partial<z.input<typeof schema>>;

/** Where a setting may come from besides its flag. MONAI Label's names first. */
const environmentNames: Record<keyof z.input<typeof schema>, readonly string[]> = {
  app: ["MONAI_LABEL_APP_DIR"],
  studies: ["MONAI_LABEL_STUDIES"],
  host: ["LIMNET_HOST"],
  port: ["MONAI_LABEL_SERVER_PORT", "LIMNET_PORT"],
  conf: ["MONAI_LABEL_APP_CONF"],
  verbose: ["LIMNET_VERBOSE"],
  insecure: ["LIMNET_INSECURE"],
  state: ["LIMNET_STATE"],
  prefix: ["MONAI_LABEL_API_STR"],
  corsOrigins: ["MONAI_LABEL_CORS_ORIGINS"],
  ohif: ["LIMNET_OHIF"],
  logFile: ["LIMNET_LOG_FILE"],
  allowHosts: ["LIMNET_ALLOW_HOSTS"],
  trustProxy: ["LIMNET_TRUST_PROXY"],
  rootPath: ["LIMNET_ROOT_PATH"],
  sessions: ["MONAI_LABEL_SESSIONS"],
  strategyTasks: ["MONAI_LABEL_TASKS_STRATEGY"],
  scoringTasks: ["MONAI_LABEL_TASKS_SCORING"],
  batchTasks: ["MONAI_LABEL_TASKS_BATCH_INFER"],
  sessionExpiry: ["MONAI_LABEL_SESSION_EXPIRY"],
  leaseSeconds: ["LIMNET_LEASE_SECONDS"],
  inferTimeout: ["MONAI_LABEL_INFER_TIMEOUT"],
  dicomSeg: ["LIMNET_DICOM_SEG"],
  ...archiveEnvironment,
  ...limitEnvironment,
  ...authEnvironment,
  ...operationsEnvironment,
  ...tlsEnvironment,
};

/** All of them, and those of the archive's credentials, which no settings object holds. */
export const knownNames: readonly string[] = [...Object.values(environmentNames).flat(), ...credentialNames];

/** A setting that cannot be used; the message names it. */
export class ConfigError extends Error {}

/** Reads all settings once; the result never changes. */
export function loadConfig(flags: ConfigInput, environment: NodeJS.ProcessEnv = process.env): Config {
  const found: Record<string, unknown> = {};
  for (const [key, names] of Object.entries(environmentNames)) {
    const name = names.find((candidate) => environment[candidate] !== undefined && environment[candidate] !== "");
    const value = flags[key as keyof ConfigInput] ?? (name && environment[name]);
    if (value !== undefined) found[key] = value;
  }
  let parsed: ReturnType<typeof schema.safeParse>;
  try {
    parsed = schema.safeParse(found);
  } catch {
    throw new ConfigError("MONAI_LABEL_APP_CONF, MONAI_LABEL_CORS_ORIGINS, LIMNET_ALLOW_HOSTS and MONAI_LABEL_DICOMWEB_SEARCH_FILTER have to be JSON text.");
  }
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "settings"}: ${issue.message}`);
    throw new ConfigError(`The settings cannot be used. ${problems.join("; ")}.`);
  }
  const { data } = parsed;
  const studies = studiesOf(data.studies);
  const folders = isArchive(studies) ? archiveFolders(studies, environment) : null;
  const state = resolve(data.state ?? folders?.state ?? join(studies, ".limnet"));
  const config = {
    ...data, studies, state, ...(folders && { cacheFolder: resolve(data.cacheFolder ?? folders.cache) }), app: resolve(data.app), logFile: resolve(data.logFile ?? join(state, "logs", logName(data))),
    ...(data.ohif !== undefined && { ohif: resolve(data.ohif) }),
  };
  checkHost(config);
  // A server for this machine alone has nobody to keep out.
  if (isLoopback(config.host) && !config.auth && found.requestsPerMinute === undefined) config.requestsPerMinute = 0;
  return Object.freeze(config);
}

/** Servers that share a state folder have a file each. */
function logName({ redis, port }: { redis?: string; port: number }): string {
  return redis === undefined ? "limnet.log" : `limnet-${hostname()}-${port}.log`;
}

/** A folder, or the address of an archive without a slash at its end. */
function studiesOf(studies: string): string {
  if (!isArchive(studies)) return resolve(studies);
  if (!URL.canParse(studies)) throw new ConfigError("--studies is no address that can be read. It looks like http://127.0.0.1:8042/dicom-web.");
  const { username, password, search, hash, href } = new URL(studies);
  if (username || password) {
    throw new ConfigError("Leave user and password out of --studies: everyone on this machine could read them there. Set LIMNET_DICOMWEB_USERNAME, and LIMNET_DICOMWEB_PASSWORD or LIMNET_DICOMWEB_PASSWORD_FILE.");
  }
  if (search || hash) throw new ConfigError("--studies may have no ? and no #: name the root of the DICOMweb services of the archive.");
  return href.replace(/\/+$/, "");
}

/** True for an address that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

function checkHost({ host, insecure, auth }: { host: string; insecure: boolean; auth: boolean }): void {
  if (isLoopback(host) || insecure || auth) return;
  throw new ConfigError(
    `Refusing to listen on ${host} without a login: everyone who reaches that address could read the scans. ` +
    "Make a token with `limnet token add NAME --role annotator` and add --auth, or leave out --host to serve this machine only, " +
    "or add --insecure if everyone in the network may see and change everything.");
}
