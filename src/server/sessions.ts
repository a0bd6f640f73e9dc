/** Sessions: images that a client sent for a while, not (yet) in the datastore. Slicer uses them for volumes opened locally. */
import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import type { ImageSource } from "../apps/app.js";
import type { Log } from "../datastore/log.js";
import { makeFolder, moveInto, nullIfMissing, replaceFile, syncFolder } from "../durable.js";
import { LimnetError } from "../errors.js";
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

/** On disk: with whose it is, which is nobody else's business. */
interface StoredSession extends SessionInfo {
  readonly owner: string;
}

/** What a session is made of: finished temporary files, taken over. */
export interface SessionContent {
  readonly volume: { readonly path: string; readonly ext: string };
  /** Files of the DICOM series that the volume was made of; empty where the volume itself was sent. */
  readonly series: readonly string[];
}

/** Name of the folder that holds a series; the image of such a session is that folder. */
const seriesFolder = "series";
const metaName = "meta.info";
/** Of one that is being made. */
const newPrefix = ".new-";

/** The volume file of a session: the image itself, or what was made of its series. */
export function fileOf({ path, image }: SessionInfo): { path: string; name: string } {
  const name = basename(image) === seriesFolder ? "image.nii.gz" : basename(image);
  return { path: join(path, name), name };
}

const seconds = () => Math.floor(Date.now() / 1000);
const sweepEveryMs = 5 * 60 * 1000;

export class SessionStore {
  readonly #root: string;
  readonly #longest: number;
  readonly #most: number;
  readonly #log: Log;
  #timer: NodeJS.Timeout | null = null;

  /** `longest`: seconds after the last use at which a session ends at the latest; `most`: sessions at once. */
  constructor(root: string, { longest, most }: { longest: number; most: number }, log: Log) {
    this.#root = root;
    this.#longest = longest;
    this.#most = most;
    this.#log = log;
    this.#timer = setInterval(() => void this.sweep(), sweepEveryMs);
    this.#timer.unref();
    void this.sweep();
  }

  close(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Takes finished uploads over. Throws LimnetError too_many where there are as many sessions as there may be. */
  async create({ volume, series }: SessionContent, expiry: number, owner: string): Promise<SessionInfo> {
    await this.#checkRoom();
    const name = randomUUID();
    const path = join(this.#root, name);
    const image = join(path, series.length > 0 ? seriesFolder : `image${volume.ext}`);
    const now = seconds();
    const info: StoredSession = {
      owner, name, path, image, meta: {}, create_ts: now, last_access_ts: now,
      expiry: expiry > 0 ? Math.min(expiry, this.#longest) : this.#longest,
    };
    // It appears whole, by a rename: what has no meta.info is nobody's.
    const fresh = join(this.#root, `${newPrefix}${name}`);
    await makeFolder(fresh);
    try {
      await moveInto(volume.path, join(fresh, `image${volume.ext}`));
      if (series.length > 0) await mkdir(join(fresh, seriesFolder));
      for (const [n, file] of series.entries()) await rename(file, join(fresh, seriesFolder, `${String(n + 1).padStart(6, "0")}.dcm`));
      await replaceFile(join(fresh, metaName), JSON.stringify(info));
      await rename(fresh, path);
    } catch (error) {
      await rm(fresh, { recursive: true, force: true });
      throw error;
    }
    await syncFolder(this.#root);
    return shown(info);
  }

  /** Null where there is no such session (any more), or where it is somebody else's. */
  async get(id: string, owner: string, touch = false): Promise<SessionInfo | null> {
    if (!isSessionId(id)) return null;
    const info = await this.#read(id);
    if (!info || info.owner !== owner || info.last_access_ts + info.expiry < seconds()) return null;
    if (!touch) return shown(info);
    const touched = { ...info, last_access_ts: seconds() };
    const written = await replaceFile(join(info.path, metaName), JSON.stringify(touched), { sync: false }).then(() => true, nullIfMissing);
    return written ? shown(touched) : null;
  }

  /** The image of a session for a model; using it keeps the session alive. */
  async image(id: string, owner: string): Promise<ImageSource | null> {
    const info = await this.get(id, owner, true);
    if (!info) return null;
    const { path, name } = fileOf(info);
    const digest = await fileDigest(path).catch(nullIfMissing);
    return digest === null ? null : { id: "", path, ext: splitUploadName(name).ext, digest };
  }

  async remove(id: string, owner: string): Promise<SessionInfo | null> {
    const info = isSessionId(id) ? await this.#read(id) : null;
    if (info?.owner !== owner) return null;
    // Somebody may be using it this moment, and write into it.
    await rm(join(this.#root, id), { recursive: true, force: true, maxRetries: 5 });
    return shown(info);
  }

  /** Removes sessions that ended. */
  async sweep(): Promise<void> {
    for (const id of await readdir(this.#root).catch(() => [])) {
      // Where the server was killed while one was made.
      const abandoned = id.startsWith(newPrefix) && (await stat(join(this.#root, id)).catch(() => null))?.mtimeMs;
      if (abandoned && abandoned < (seconds() - this.#longest) * 1000) await rm(join(this.#root, id), { recursive: true, force: true });
      if (!isSessionId(id)) continue;
      const info = await this.#read(id);
      if (info && info.last_access_ts + info.expiry >= seconds()) continue;
      await rm(join(this.#root, id), { recursive: true, force: true })
        .catch((error: Error) => this.#log.warn("session not removed", { error: error.message }));
    }
  }

  /** Sessions that are kept. */
  async count(): Promise<number> {
    return (await readdir(this.#root).catch(() => [])).filter(isSessionId).length;
  }

  /** Sessions that ended make room first. */
  async #checkRoom(): Promise<void> {
    if ((await this.count()) < this.#most) return;
    await this.sweep();
    if ((await this.count()) < this.#most) return;
    throw new LimnetError("too_many", `There are ${this.#most} sessions, as many as this server keeps (LIMNET_MAX_SESSIONS). End one with DELETE /session/ID, or wait until one ends by itself.`, { retryAfter: 60 });
  }

  async #read(id: string): Promise<StoredSession | null> {
    try {
      const info = JSON.parse(await readFile(join(this.#root, id, metaName), "utf8")) as Partial<StoredSession> & SessionInfo;
      // Paths are made anew: the folder may have been moved, and no file decides which path is read.
      const path = join(this.#root, id);
      return { ...info, owner: info.owner ?? "", name: id, path, image: join(path, basename(info.image) === seriesFolder ? seriesFolder : `image${splitUploadName(info.image).ext}`) };
    } catch {
      return null;
    }
  }
}

function shown({ owner: _owner, ...info }: StoredSession): SessionInfo {
  return info;
}

/** Only ids that we gave out, so that none is a path. */
function isSessionId(id: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id);
}
