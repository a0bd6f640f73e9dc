/** From settings to a running server and back: every start has its stop, in reverse order. */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { loadApp } from "../apps/load.js";
import { FileTurns } from "../datastore/file-turns.js";
import { FolderHeld, holdFolder } from "../datastore/hold.js";
import type { Log } from "../datastore/log.js";
import { DecoderPool } from "../dicom/codecs/pool.js";
import { LabelThread } from "../dicom/label-thread.js";
import { createServer } from "./app.js";
import { defaultTokenFile, readTokens } from "./auth/tokens.js";
import { isArchive } from "./archive-settings.js";
import { type Config, ConfigError } from "./config.js";
import { usualMemory } from "./operations/memory.js";
import { Metrics } from "./operations/metrics.js";
import { labelSettings } from "./label-settings.js";
import { createFileLogger } from "./logger.js";
import { openStudies } from "./studies.js";
import { readTls } from "./tls.js";

export interface RunningServer {
  readonly url: string;
  readonly port: number;
  /** Null where an archive has them: it may be slow to say, or away. */
  readonly images: number | null;
  readonly models: readonly string[];
  close(): Promise<void>;
}

/** How an app folder becomes an app. */
export type AppLoader = typeof loadApp;

/** Starts everything; what was started is stopped again where a later step fails. */
export async function startServer(config: Config, given?: Log, load: AppLoader = loadApp): Promise<RunningServer> {
  checkFolders(config);
  await checkLogin(config);
  await makeFolders(config).catch((error) => {
    throw plainer(error, config);
  });
  const { log, close: closeLog } = given ? { log: given, close: async () => {} } : createFileLogger(config.verbose, config.logFile);
  const stops: (() => Promise<void>)[] = [closeLog];
  const stopAll = async () => {
    for (const stop of stops.splice(0).reverse()) await stop().catch((error: Error) => log.error("stop failed", { error: error.message }));
  };
  try {
    const tls = await readTls(config, log).catch((error: Error) => {
      throw new ConfigError(error.message, { cause: error });
    });
    // Servers that share a Redis may share a folder, too; the outbox of an archive is one server's.
    const shared = config.redis !== undefined && !isArchive(config.studies);
    const hold = await holdFolder(config.state, { log, shared });
    stops.push(() => hold.release());
    const decoder = new DecoderPool();
    stops.push(() => decoder.close());
    const labels = new LabelThread();
    stops.push(() => labels.close());
    const turns = shared ? new FileTurns(join(config.state, "turns")) : undefined;
    const { datastore, archive } = await openStudies(config, log, { decoder, labels, turns });
    stops.push(() => datastore.close());
    const metrics = new Metrics();
    const queueing = { maxWaiting: config.maxWaiting, observer: metrics.queue };
    const { redis, memory: memoryBytes = await usualMemory() } = config;
    // A server without Redis does not carry its clients about.
    const elsewhere = redis === undefined ? undefined : async (model: string) => (await import("./operations/redis.js")).openElsewhere({ ...config, redis }, model, log, metrics.queue);
    const app = await load({ appDir: config.app, conf: { ...config.conf, ...(!config.strategyTasks && { skip_strategies: "true" }), ...(!config.scoringTasks && { skip_scoring: "true" }) }, datastore, stateDir: config.state, stateLimit: config.stateLimit, logger: log, limits: config, elsewhere, turns, queueing, memoryBytes });
    stops.push(() => app.close());
    labels.settings = labelSettings(app, config);
    // A large folder takes as long as the engine: side by side, and both at their end before a failure is told.
    const [studies, engine] = await Promise.allSettled([datastore.start(), app.start()]);
    for (const outcome of [studies, engine]) if (outcome.status === "rejected") throw outcome.reason;
    const server = createServer({ app, datastore, config, decoder, labels, logger: log, metrics, archive, tls });
    stops.push(() => server.close());
    const { url, port } = await server.listen();
    const total = archive ? null : (await datastore.stats()).total;
    return { url: url + config.prefix, port, images: total, models: [...app.models.keys()], close: stopAll };
  } catch (error) {
    await stopAll();
    throw plainer(error, config);
  }
}

function checkFolders({ app }: Config): void {
  if (!existsSync(app)) throw new ConfigError(`The app folder ${app} does not exist. The one that comes with limnet is sample-apps/radiology.`);
  if (!existsSync(join(app, "app.json"))) throw new ConfigError(`The app folder ${app} holds no app.json, so it is no app of limnet. Try sample-apps/radiology.`);
}

/** A login that nobody can pass is a mistake; so is a token file that others may write. */
async function checkLogin({ auth, authRealm, tokens: file = defaultTokenFile() }: Config): Promise<void> {
  if (!auth) return;
  const tokens = await readTokens(file).catch((error: Error) => {
    throw new ConfigError(error.message, { cause: error });
  });
  if (tokens.length > 0 || authRealm !== undefined) return;
  throw new ConfigError(
    `Login is on, but nobody could log in: there are no tokens in ${file}. Make one with \`limnet token add NAME --role annotator\`, ` +
    "or name your identity provider with --auth-realm (MONAI_LABEL_AUTH_REALM_URI).");
}

async function makeFolders({ studies, state }: Config): Promise<void> {
  if (!isArchive(studies)) await makeStudies(studies);
  try {
    await mkdir(state, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new ConfigError(`The folder ${state} for journals and temporary files cannot be made. Name another one with --state.`, { cause: error });
  }
}

/** Step by step: some file systems (/proc is one) keep mkdir busy for ever where it is to make more than one. */
async function makeStudies(studies: string): Promise<void> {
  if (existsSync(studies)) return void (await mkdir(studies, { recursive: true }));
  try {
    await mkdir(studies, { recursive: !existsSync(dirname(studies)) });
  } catch (error) {
    throw new ConfigError(`The studies folder ${studies} does not exist and cannot be made (${(error as NodeJS.ErrnoException).code}). Name another one with --studies.`, { cause: error });
  }
}

/** Says in a sentence what a system error code means for the person at the keyboard. */
function plainer(error: unknown, { host, port, state, studies }: Config): unknown {
  if (error instanceof FolderHeld) return new ConfigError(error.message, { cause: error });
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "EADDRINUSE") return new ConfigError(`Port ${port} is taken. Stop the other program or choose another port with --port (0 picks a free one).`);
  if (code === "EADDRNOTAVAIL") return new ConfigError(`This machine has no address ${host}. Choose another with --host.`);
  if (code === "ENOSPC" || code === "EDQUOT") return new ConfigError(`The disk of the state folder ${state} is full, so no work could be kept. Free some space, or name a folder on another disk with --state.`);
  if (code === "EACCES" || code === "EROFS" || code === "EPERM") return new ConfigError(`A folder cannot be used for want of rights (${(error as NodeJS.ErrnoException).path ?? studies}). Let the user that limnet runs as read ${studies} and write ${state}, or name others with --studies and --state.`);
  if (code === "ENOTDIR" || code === "EEXIST") return new ConfigError("The studies have to be a folder, and this is a file.");
  return error;
}
