/** What every route can reach. Made once per server; nothing lives at module level. */
import { randomUUID } from "node:crypto";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { App } from "../apps/app.js";
import type { TaskFamily } from "../apps/background.js";
import type { Leases } from "../apps/pool.js";
import type { Outbox } from "../datastore/archive/outbox.js";
import type { Datastore } from "../datastore/datastore.js";
import type { Log } from "../datastore/log.js";
import type { FrameDecoder } from "../dicom/types.js";
import type { LabelWork } from "../dicom/labels.js";
import type { ArchiveClient } from "../dicomweb/client.js";
import type { Authenticator } from "./auth/authenticator.js";
import type { Config } from "./config.js";
import type { Metrics } from "./operations/metrics.js";
import type { SessionStore } from "./sessions.js";

/** The background tasks of a server, by kind. */
export interface TaskLines {
  readonly train: TaskFamily;
  readonly batch: TaskFamily;
  readonly scoring: TaskFamily;
}

/** The DICOM archive behind the datastore. */
export interface Archive {
  readonly client: ArchiveClient;
  readonly outbox: Outbox;
}

export interface ServerContext {
  readonly app: App;
  readonly datastore: Datastore;
  readonly config: Config;
  readonly log: Log;
  readonly sessions: SessionStore;
  readonly decoder: FrameDecoder;
  /** Labels in DICOM and other formats, coded as the app says. */
  readonly labels: LabelWork;
  readonly auth: Authenticator;
  readonly tasks: TaskLines;
  /** Who was given which image to label. */
  readonly leases: Leases;
  /** Null where the studies are a folder. */
  readonly archive: Archive | null;
  readonly metrics: Metrics;
  /** Aborted when the server is told to stop: nothing new is begun. */
  readonly stopping: AbortSignal;
  /** Aborted when the server stops, and running requests have had their time. */
  readonly closing: AbortSignal;
}

/** The temporary folder of one request: made when first needed, gone when the request is over. */
export class Scratch {
  readonly #path: string;
  #named = false;

  constructor(root: string) {
    this.#path = join(root, `request-${randomUUID()}`);
  }

  /** Its path, for who makes it where it is needed. */
  get path(): string {
    this.#named = true;
    return this.#path;
  }

  async folder(): Promise<string> {
    await mkdir(this.path, { recursive: true, mode: 0o700 });
    return this.#path;
  }

  async remove(): Promise<void> {
    if (this.#named) await rm(this.#path, { recursive: true, force: true });
  }
}

/** Folder of all requests' temporary folders. */
export function scratchRoot(config: Config): string {
  return join(config.state, "tmp");
}

/** Clears what a killed server left behind; younger folders may belong to another server on the same studies. */
export async function clearScratch(root: string, olderThanMs = 24 * 3600 * 1000): Promise<void> {
  for (const name of await readdir(root).catch(() => [])) {
    const found = await stat(join(root, name)).catch(() => null);
    if (found && Date.now() - found.mtimeMs > olderThanMs) await rm(join(root, name), { recursive: true, force: true });
  }
}
