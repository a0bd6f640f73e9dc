/** Sessions: images that a client sent for a while, not (yet) in the datastore. Slicer uses them for volumes opened locally. */
import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ImageSource } from "../apps/app.js";
import type { Log } from "../datastore/log.js";
import { moveInto } from "../datastore/move.js";
import { fileDigest } from "../imaging/digest.js";
import { splitUploadName } from "./uploads.js";

/** What clients get to see, as MONAI Label spells it. Times in seconds. */
export interface SessionInfo {
  readonly name: string;
  readonly path: string;
  readonly image: string;
  readonly meta: Record<string, unknown>;
  readonly create_ts: number;
  readonly last_access_ts: number;
  readonly expiry: number;
}

const seconds = () => Math.floor(Date.now() / 1000);
const sweepEveryMs = 5 * 60 * 1000;

export class SessionStore {
  readonly #root: string;
  readonly #longest: number;
  readonly #log: Log;
  #timer: NodeJS.Timeout | null = null;

  /** `longest`: seconds after the last use at which a session ends at the latest. */
  constructor(root: string, longest: number, log: Log) {
    this.#root = root;
    this.#longest = longest;
    this.#log = log;
    this.#timer = setInterval(() => void this.sweep(), sweepEveryMs);
    this.#timer.unref();
    void this.sweep();
  }

  close(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Takes a finished upload over. */
  async create(upload: { path: string; ext: string }, expiry: number): Promise<SessionInfo> {
    const name = randomUUID();
    const path = join(this.#root, name);
    await mkdir(path, { recursive: true });
    const image = join(path, `image${upload.ext}`);
    await moveInto(upload.path, image);
    const now = seconds();
    const info: SessionInfo = {
      name, path, image, meta: {}, create_ts: now, last_access_ts: now,
      expiry: expiry > 0 ? Math.min(expiry, this.#longest) : this.#longest,
    };
    await this.#write(info);
    return info;
  }

  /** Null where there is no such session (any more). */
  async get(id: string, touch = false): Promise<SessionInfo | null> {
    if (!isSessionId(id)) return null;
    const info = await this.#read(id);
    if (!info || info.last_access_ts + info.expiry < seconds()) return null;
    if (!touch) return info;
    const touched = { ...info, last_access_ts: seconds() };
    await this.#write(touched);
    return touched;
  }

  /** The image of a session for a model; using it keeps the session alive. */
  async image(id: string): Promise<ImageSource | null> {
    const info = await this.get(id, true);
    if (!info) return null;
    return { id: "", path: info.image, ext: splitUploadName(info.image).ext, digest: await fileDigest(info.image) };
  }

  async remove(id: string): Promise<SessionInfo | null> {
    const info = isSessionId(id) ? await this.#read(id) : null;
    if (info) await rm(join(this.#root, id), { recursive: true, force: true });
    return info;
  }

  /** Removes sessions that ended. */
  async sweep(): Promise<void> {
    for (const id of (await readdir(this.#root).catch(() => [])).filter(isSessionId)) {
      const info = await this.#read(id);
      if (info && info.last_access_ts + info.expiry >= seconds()) continue;
      await rm(join(this.#root, id), { recursive: true, force: true })
        .catch((error: Error) => this.#log.warn("session not removed", { error: error.message }));
    }
  }

  async #read(id: string): Promise<SessionInfo | null> {
    try {
      const info = JSON.parse(await readFile(join(this.#root, id, "meta.info"), "utf8")) as SessionInfo;
      // Paths are made anew: the folder may have been moved, and no file decides which path is read.
      const path = join(this.#root, id);
      return { ...info, name: id, path, image: join(path, `image${splitUploadName(info.image).ext}`) };
    } catch {
      return null;
    }
  }

  #write(info: SessionInfo): Promise<void> {
    return writeFile(join(this.#root, info.name, "meta.info"), JSON.stringify(info));
  }
}

/** Only ids that we gave out, so that none is a path. */
function isSessionId(id: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id);
}
