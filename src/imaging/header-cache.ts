/** Headers of volumes that were read before, by the digest of their content: a click on a known image opens no file for it. */
import { readHeader } from "./read.js";
import type { ReadLimits, VolumeHeader } from "./volume.js";

/** A header takes a few hundred bytes. */
const mostKept = 200;

export class HeaderCache {
  readonly #limits: ReadLimits;
  /** The least recently used first. */
  readonly #kept = new Map<string, VolumeHeader>();

  constructor(limits: ReadLimits = {}) {
    this.#limits = limits;
  }

  /** The header of the file at `path`, whose content has this digest; "": not known, so that it is read. Throws as readHeader does. */
  async read(path: string, digest: string): Promise<VolumeHeader> {
    const header = this.#kept.get(digest) ?? (await readHeader(path, this.#limits));
    if (digest === "") return header;
    this.#kept.delete(digest);
    this.#kept.set(digest, header);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= mostKept) break;
      this.#kept.delete(oldest);
    }
    return header;
  }
}
