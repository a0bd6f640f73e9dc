/** How much room the volumes of DICOM folders take: those used longest ago go first, never one that somebody may be about to open. */
import { readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Log } from "./log.js";

export interface RoomOptions {
  readonly maxBytes: number;
  /** Milliseconds after a use in which a volume stays, also where there is no more room: a click may be under way. */
  readonly leaseMs: number;
  readonly log: Log;
}

/** What a server that was killed left half made. */
const abandonedMs = 24 * 3600 * 1000;

interface Kept {
  readonly path: string;
  readonly bytes: number;
  readonly usedAt: number;
}

export class SeriesRoom {
  readonly #folder: string;
  readonly #options: RoomOptions;
  #turn: Promise<void> = Promise.resolve();

  /** `folder`: holds a folder per series, that a folder per volume. Several servers may share it: the time of a use is kept on the disk. */
  constructor(folder: string, options: RoomOptions) {
    this.#folder = folder;
    this.#options = options;
  }

  /** Counts as a use. @throws what the file system throws where the volume is gone */
  async use(volume: string): Promise<void> {
    const now = new Date();
    await utimes(volume, now, now);
  }

  /** Makes the volumes fit again, without those that the files of a series made earlier; `latest` stays. One round at a time. */
  tidy(latest: string): Promise<void> {
    this.#turn = this.#turn.then(() => this.#tidy(latest)).catch((error: Error) => {
      this.#options.log.warn("volumes of series could not be removed", { error: error.message });
    });
    return this.#turn;
  }

  async #tidy(latest: string): Promise<void> {
    const { maxBytes, leaseMs, log } = this.#options;
    const kept = (await this.#all()).sort((a, b) => a.usedAt - b.usedAt);
    let used = kept.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { path, bytes } of kept) {
      const older = dirname(path) === dirname(latest);
      if ((used <= maxBytes && !older) || path === latest || !(await this.#isIdle(path, leaseMs))) continue;
      // Out of sight first: whoever looks for it finds it whole or not at all.
      const gone = join(path, "..", `.gone-${process.pid}-${Date.now()}`);
      if (!(await rename(path, gone).then(() => true, () => false))) continue;
      await rm(gone, { recursive: true, force: true });
      used -= bytes;
      if (!older) log.info("the volume of a series was removed, it is made again when it is used", { mebibytes: Math.ceil(bytes / 2 ** 20) });
    }
    if (used > maxBytes) log.warn("the volumes of series that are in use take more than --cache-size", { mebibytes: Math.ceil(used / 2 ** 20) });
  }

  /** Asked right before the removal: another server may have used it since the volumes were counted. */
  async #isIdle(path: string, forMs: number): Promise<boolean> {
    const found = await stat(path).catch(() => null);
    return found !== null && Date.now() - found.mtimeMs > forMs;
  }

  async #all(): Promise<Kept[]> {
    const found: Kept[] = [];
    for (const series of await readdir(this.#folder).catch(() => [])) {
      for (const name of await readdir(join(this.#folder, series)).catch(() => [])) {
        const path = join(this.#folder, series, name);
        if (name.startsWith(".")) {
          if (await this.#isIdle(path, abandonedMs)) await rm(path, { recursive: true, force: true });
        } else {
          found.push({ path, ...await sizeOf(path) });
        }
      }
    }
    return found;
  }
}

async function sizeOf(folder: string): Promise<Omit<Kept, "path">> {
  const usedAt = (await stat(folder).catch(() => null))?.mtimeMs ?? 0;
  let bytes = 0;
  for (const name of await readdir(folder).catch(() => [])) bytes += (await stat(join(folder, name)).catch(() => null))?.size ?? 0;
  return { bytes, usedAt };
}
