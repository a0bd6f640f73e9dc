/**
 * Volumes of an archive on disk: <series>/<content>/ holds volume.nii and entry.json, where <content> is a digest of the metadata of
 * all instances. A folder appears whole by a rename and never changes, so that several servers may share the cache.
 */
import { randomBytes } from "node:crypto";
import { mkdir, readdir, rename, rm, stat, statfs, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PlannedVolume } from "../../dicom/types.js";
import { isUid } from "../../dicomweb/json.js";
import { LimnetError } from "../../errors.js";
import type { Log } from "../log.js";
import { readJson, writeJson } from "./small-files.js";

export interface CachedSeries {
  /** Absolute path of the volume. */
  readonly path: string;
  /** Digest of the metadata that the volume was made of. */
  readonly content: string;
  /** sha256 of the volume file. */
  readonly digest: string;
  /** What the volume came from: enough to write a label for it. */
  readonly source: PlannedVolume;
}

interface EntryFile {
  readonly format: 1;
  readonly digest: string;
  /** Of the volume file: after a power cut it may be shorter than it was. Absent in older entries. */
  readonly bytes?: number;
  readonly source: PlannedVolume;
}

export interface SeriesCacheOptions {
  readonly maxBytes: number;
  readonly log: Log;
  /** Milliseconds for which a volume that was just used is not removed: somebody may be about to open it. */
  readonly leaseMs?: number;
}

const entryName = "entry.json";
const volumeName = "volume.nii";
/** A folder of a load that did not end: its server was killed. */
const abandonedMs = 24 * 3600 * 1000;

export class SeriesCache {
  readonly #folder: string;
  readonly #options: Required<SeriesCacheOptions>;
  /** One reservation at a time, so that two loads do not count on the same room. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(folder: string, options: SeriesCacheOptions) {
    this.#folder = folder;
    this.#options = { ...options, leaseMs: options.leaseMs ?? 10 * 60_000 };
  }

  async open(): Promise<void> {
    await mkdir(join(this.#folder, "loading"), { recursive: true, mode: 0o700 });
    for (const { path, usedAt } of await this.#loading()) {
      if (Date.now() - usedAt > abandonedMs) await rm(path, { recursive: true, force: true });
    }
  }

  /** The volume of just this content; null where it is not here, or not whole. Counts as a use. */
  async find(series: string, content: string): Promise<CachedSeries | null> {
    if (!isUid(series) || !/^[0-9a-f]+$/.test(content)) return null;
    const path = join(this.#folder, "series", series, content);
    const entry = await readJson<EntryFile>(join(path, entryName)).catch(() => undefined);
    const volume = join(path, volumeName);
    const file = await stat(volume).catch(() => null);
    if (entry?.format !== 1 || !file?.isFile() || (entry.bytes ?? file.size) !== file.size) return null;
    await utimes(path, new Date(), new Date()).catch(() => {});
    return { path: volume, content, digest: entry.digest, source: entry.source };
  }

  /** The volume used last, whatever its content: for when the archive cannot be asked. */
  async newest(series: string): Promise<CachedSeries | null> {
    if (!isUid(series)) return null;
    for (const { content } of (await this.#entries(series)).sort((a, b) => b.usedAt - a.usedAt)) {
      const found = await this.find(series, content);
      if (found) return found;
    }
    return null;
  }

  /**
   * Room for a load of about `bytes`, in a folder of its own that `commit` or `abandon` ends.
   * @throws LimnetError cache_full where nothing more may be removed
   */
  reserve(bytes: number): Promise<string> {
    const mine = this.#turn.then(() => this.#reserve(bytes));
    this.#turn = mine.catch(() => {});
    return mine;
  }

  /** Makes a finished load the volume of its series. Another server may have been faster: then its volume is taken. */
  async commit(loading: string, series: string, content: string, entry: { digest: string; source: PlannedVolume }): Promise<CachedSeries> {
    const { size } = await stat(join(loading, volumeName));
    await writeJson(join(loading, entryName), { format: 1, bytes: size, ...entry } satisfies EntryFile);
    await rm(join(loading, "reserved.json"), { force: true });
    const parent = join(this.#folder, "series", series);
    await mkdir(parent, { recursive: true, mode: 0o700 });
    const place = join(parent, content);
    await rename(loading, place).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
      if (await this.find(series, content)) return rm(loading, { recursive: true, force: true });
      await rm(place, { recursive: true, force: true }); // what stands there is not whole
      await rename(loading, place);
    });
    // Older states of the series: nobody will ask for them again.
    for (const old of await this.#entries(series)) {
      if (old.content !== content && Date.now() - old.usedAt > this.#options.leaseMs) await rm(old.path, { recursive: true, force: true });
    }
    const found = await this.find(series, content);
    if (!found) throw new LimnetError("cache_full", "The volume was removed from the cache while it was made. Try again.");
    return found;
  }

  async abandon(loading: string): Promise<void> {
    await rm(loading, { recursive: true, force: true });
  }

  /** Path of the volume in a folder of `reserve`. */
  static volumeIn(loading: string): string {
    return join(loading, volumeName);
  }

  async #reserve(bytes: number): Promise<string> {
    const { maxBytes, leaseMs, log } = this.#options;
    const tooSmall = (need: string) => new LimnetError("cache_full", `The series needs ${mib(bytes)} MiB in the cache of volumes, ${need}. Try again in ${Math.ceil(leaseMs / 60_000)} minutes, or raise --cache-size.`);
    if (bytes > maxBytes) throw tooSmall(`which holds ${mib(maxBytes)} MiB as a whole`);
    const entries = (await this.#allEntries()).sort((a, b) => a.usedAt - b.usedAt);
    let used = [...entries, ...(await this.#loading())].reduce((sum, one) => sum + one.bytes, 0);
    for (const old of entries) {
      if (used + bytes <= maxBytes && await this.#diskHas(bytes)) break;
      if (Date.now() - old.usedAt < leaseMs) break;
      await rm(old.path, { recursive: true, force: true });
      used -= old.bytes;
      log.info("a volume left the cache", { mebibytes: mib(old.bytes) });
    }
    if (used + bytes > maxBytes) throw tooSmall(`where all ${mib(maxBytes)} MiB are in use right now`);
    if (!(await this.#diskHas(bytes))) throw tooSmall("and the disk below it is full");
    const loading = join(this.#folder, "loading", randomBytes(12).toString("hex"));
    await mkdir(loading, { recursive: true, mode: 0o700 });
    // Need not last: without its server, nobody goes on with the load.
    await writeFile(join(loading, "reserved.json"), JSON.stringify({ bytes }), { mode: 0o600 });
    return loading;
  }

  async #diskHas(bytes: number): Promise<boolean> {
    const { bavail, bsize } = await statfs(this.#folder);
    return bavail * bsize > bytes;
  }

  async #allEntries(): Promise<Entry[]> {
    const series = await readdir(join(this.#folder, "series")).catch(() => []);
    const found: Entry[] = [];
    for (const one of series.filter(isUid)) found.push(...(await this.#entries(one)));
    return found;
  }

  async #entries(series: string): Promise<Entry[]> {
    const parent = join(this.#folder, "series", series);
    const found: Entry[] = [];
    for (const content of await readdir(parent).catch(() => [])) {
      const path = join(parent, content);
      const [folder, volume] = await Promise.all([stat(path).catch(() => null), stat(join(path, volumeName)).catch(() => null)]);
      if (folder) found.push({ path, content, bytes: volume?.size ?? 0, usedAt: folder.mtimeMs });
    }
    return found;
  }

  /** Loads under way count as what they will need. */
  async #loading(): Promise<Entry[]> {
    const found: Entry[] = [];
    for (const name of await readdir(join(this.#folder, "loading")).catch(() => [])) {
      const path = join(this.#folder, "loading", name);
      const [folder, reserved] = await Promise.all([stat(path).catch(() => null), readJson<{ bytes: number }>(join(path, "reserved.json")).catch(() => undefined)]);
      if (folder) found.push({ path, content: "", bytes: Number(reserved?.bytes) || 0, usedAt: folder.mtimeMs });
    }
    return found;
  }
}

interface Entry {
  readonly path: string;
  readonly content: string;
  readonly bytes: number;
  readonly usedAt: number;
}

const mib = (bytes: number) => Math.ceil(bytes / 2 ** 20);
