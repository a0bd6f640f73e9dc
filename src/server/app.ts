/** The map of the server: what a request passes, in order, and how the server starts and stops. */
import { join } from "node:path";
import express, { type Express } from "express";
import type { App } from "../apps/app.js";
import { TaskFamily } from "../apps/background.js";
import { Leases } from "../apps/pool.js";
import type { Datastore } from "../datastore/datastore.js";
import type { Log } from "../datastore/log.js";
import { LocalDecoder } from "../dicom/codecs/decode.js";
import type { FrameDecoder } from "../dicom/types.js";
import { DicomLabels, type LabelWork } from "../dicom/labels.js";
import { Authenticator } from "./auth/authenticator.js";
import type { Config } from "./config.js";
import { type Archive, clearScratch, type ServerContext, scratchRoot } from "./context.js";
import { labelSettings } from "./label-settings.js";
import { docsRouter } from "./docs.js";
import { type Endpoint, mount } from "./endpoint.js";
import { errorHandler, notFound } from "./errors.js";
import { closeServer, createHttp, listen, stalledBodies } from "./http.js";
import { parseQuery, requestLog, securityHeaders } from "./middleware.js";
import { describeApi } from "./openapi.js";
import { checkOrigins } from "./origins.js";
import { loginRate, requestRate } from "./rate.js";
import type { TlsFiles } from "./tls.js";
import { Gate } from "./operations/gate.js";
import { Metrics } from "./operations/metrics.js";
import { activeLearningRoutes } from "./routes/activelearning.js";
import { authRoutes, loginTag } from "./routes/auth.js";
import { datasetRoutes } from "./routes/dataset.js";
import { datastoreRoutes } from "./routes/datastore.js";
import { healthRoutes } from "./routes/health.js";
import { imageRoutes } from "./routes/images.js";
import { historyRoutes } from "./routes/history.js";
import { inferRoutes } from "./routes/infer.js";
import { infoRoutes } from "./routes/info.js";
import { labelRoutes } from "./routes/labels.js";
import { loginRoutes } from "./routes/login.js";
import { logRoutes } from "./routes/logs.js";
import { modelRoutes } from "./routes/models.js";
import { ohifRoutes } from "./routes/ohif.js";
import { outboxRoutes } from "./routes/outbox.js";
import { proxyRoutes } from "./routes/proxy.js";
import { sessionRoutes } from "./routes/sessions.js";
import { taskRoutes } from "./routes/tasks.js";
import { wsiRoutes } from "./routes/wsi.js";
import { SessionStore } from "./sessions.js";

export interface ServerParts {
  readonly app: App;
  readonly datastore: Datastore;
  readonly config: Config;
  readonly logger: Log;
  /** Made where none is given. */
  readonly metrics?: Metrics;
  readonly archive?: Archive | null;
  /** Speaks https with these. */
  readonly tls?: TlsFiles | null;
  /** For uploaded DICOM series; on the thread that serves requests when not given. */
  readonly decoder?: FrameDecoder;
  /** Labels to and from DICOM; on the thread that serves requests when not given. */
  readonly labels?: LabelWork;
}

export interface LimnetServer {
  /** For tests: what answers requests. */
  readonly http: Express;
  /** Listens on the configured host and port; resolves with the address, the real port in it. */
  listen(): Promise<{ url: string; port: number }>;
  /** Stops: no new connections, running requests are told, then everything is let go. App and datastore stay the caller's. */
  close(): Promise<void>;
}

/** All routes, one group per resource of the protocol. */
export function allEndpoints(): Endpoint[] {
  return [
    ...authRoutes(),
    ...loginRoutes(),
    ...infoRoutes(),
    ...inferRoutes(),
    ...wsiRoutes(),
    ...historyRoutes(),
    ...activeLearningRoutes(),
    ...datastoreRoutes(),
    ...datasetRoutes(),
    ...imageRoutes(),
    ...labelRoutes(),
    ...sessionRoutes(),
    ...taskRoutes(),
    ...modelRoutes(),
    ...logRoutes(),
    ...ohifRoutes(),
    ...proxyRoutes(),
    ...outboxRoutes(),
    ...healthRoutes(),
  ];
}

/** Builds the server around an app and a datastore that are started already. */
export function createServer({ app, datastore, config, logger, metrics = new Metrics(), archive = null, tls = null, decoder = new LocalDecoder(), labels = new DicomLabels(labelSettings(app, config)) }: ServerParts): LimnetServer {
  const stop = new AbortController();
  const gate = new Gate();
  metrics.watch(app);
  if (archive) {
    metrics.watchOutbox(() => archive.outbox.list());
    metrics.watchArchive(archive.client.http);
  }
  const sessions = new SessionStore(join(config.state, "sessions"), { longest: config.sessionExpiry, most: config.maxSessions }, logger);
  metrics.watchSessions(() => sessions.count());
  const tasks = { train: new TaskFamily("Train"), batch: new TaskFamily("Batch_infer"), scoring: new TaskFamily("Scoring") };
  const leases = new Leases({ seconds: config.leaseSeconds });
  const auth = new Authenticator(config, logger, stop.signal);
  const context: ServerContext = { app, datastore, config, log: logger, decoder, sessions, auth, leases, labels, tasks, metrics, archive, stopping: gate.closing, closing: stop.signal };
  const endpoints = allEndpoints().filter((one) => config.auth || one.tag !== loginTag);

  const http = express();
  http.disable("x-powered-by");
  http.set("etag", false);
  http.set("query parser", parseQuery);
  http.set("trust proxy", config.trustProxy);
  http.use(requestLog(logger));
  http.use(metrics.requests());
  http.use(gate.pass());
  http.use(securityHeaders());
  http.use(checkOrigins(config, logger));
  http.use(stalledBodies(config));
  http.use(requestRate(config));
  http.post([`${config.prefix}/auth/token`, `${config.prefix}/login`], loginRate(config));
  const api = express.Router();
  mount(api, endpoints, context);
  http.use(config.prefix || "/", api);
  http.use(docsRouter(describeApi(endpoints, { version: app.version, prefix: config.rootPath + config.prefix, auth: config.auth })));
  http.use(notFound);
  http.use(errorHandler(logger));

  const door = createHttp(http, config, tls);
  void clearScratch(scratchRoot(config));

  return {
    http,
    listen: () => listen(door, config),
    async close() {
      const closed = closeServer(door);
      await gate.close(config.stopSeconds * 1000);
      stop.abort();
      await Promise.all(Object.values(tasks).map((line) => line.close()));
      sessions.close();
      await closed();
    },
  };
}
