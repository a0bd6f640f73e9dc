/** Content digests, remembered as long as a file keeps its size, times and inode. */
import { stat } from "node:fs/promises";

interface Known {
  readonly stamp: string;
  readonly digest: Promise<string>;
}

/** sha256 of files, each read once per state of the file. `compute` reads the whole file. */
export class DigestCache {
  readonly #known = new Map<string, Known>();
  readonly #compute: (path: string) => Promise<string>;

  constructor(compute: (path: string) => Promise<string>) {
    this.#compute = compute;
  }

  /** Hex digest of the file as it is now. A file that changes while it is read is read once more. */
  async digest(path: string): Promise<string> {
    const before = await stamp(path);
    const known = this.#known.get(path);
    if (known?.stamp === before) return known.digest;
    const entry: Known = { stamp: before, digest: this.#compute(path) };
    this.#known.set(path, entry);
    try {
      const digest = await entry.digest;
      if ((await stamp(path)) === before) return digest;
      this.forget(path);
      return await this.#compute(path);
    } catch (error) {
      this.forget(path);
      throw error;
    }
  }

  forget(path: string): void {
    this.#known.delete(path);
  }
}

async function stamp(path: string): Promise<string> {
  const { size, mtimeNs, ctimeNs, ino } = await stat(path, { bigint: true });
  return `${size}.${mtimeNs}.${ctimeNs}.${ino}`;
}
