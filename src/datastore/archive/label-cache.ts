/** Label series of the archive as they were read, on the grids of their images: files that can be read again, and that are bounded. */
import { readdir, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";

export interface LabelCacheOptions {
  readonly maxBytes: number;
  /** Milliseconds after a use in which a file stays, also where there is no more room. */
  readonly leaseMs: number;
}

export class LabelCache {
  readonly #options: LabelCacheOptions;

  /** Several servers may share the folder: the time of a use is kept on the disk. */
  constructor(readonly folder: string, options: LabelCacheOptions) {
    this.#options = options;
  }

  /** Counts as a use. False where the file is not there. */
  async use(path: string): Promise<boolean> {
    const now = new Date();
    return utimes(path, now, now).then(() => true, () => false);
  }

  /** Removes what was used longest ago until the rest fits. */
  async tidy(): Promise<void> {
    const { maxBytes, leaseMs } = this.#options;
    const files = (await Promise.all((await readdir(this.folder).catch(() => [])).map(async (name) => {
      const found = await stat(join(this.folder, name)).catch(() => null);
      return found === null ? [] : [{ path: join(this.folder, name), bytes: found.size, usedAt: found.mtimeMs }];
    }))).flat().sort((a, b) => a.usedAt - b.usedAt);
    let used = files.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { path, bytes, usedAt } of files) {
      if (used <= maxBytes || Date.now() - usedAt <= leaseMs) return;
      await rm(path, { force: true });
      used -= bytes;
    }
  }
}
