/**
 * What lies on the disk of one object: `journal.jsonl` and its archives, `object.json` (whose it is), the compressed mask of each kept
 * state, the masks that it starts from.
 */
import { mkdir, readdir, rm } from "node:fs/promises";
import path from "node:path";
import { keepFolder, nullIfMissing, replaceFile, stampOf } from "../../durable.js";
import { maskPath } from "../../engine/mask-bits.js";
import { fileDigest } from "../../imaging/digest.js";
import type { StateRecord } from "./rounds/history.js";

const journalName = "journal.jsonl";
const objectName = "object.json";
const startPrefix = "start-";
const archiveName = /^journal-(\d+-\d+\.jsonl\.gz|damaged-\d+\.jsonl)$/;

/** Whose work it is; `object.json`. */
export interface ObjectIdentity {
  /** Id and content digest of the image. */
  readonly image: string;
  readonly digest: string;
  readonly user: string;
  readonly label: string;
}

export class ObjectFolder {
  /** The folder and whose it is, on their way to the disk. */
  #founded: Promise<void> = Promise.resolve();

  constructor(readonly folder: string, readonly identity: ObjectIdentity) {}

  get file(): string {
    return path.join(this.folder, journalName);
  }

  /** Lines that were moved out of the journal: `first` and `last` are the numbers of its lines. */
  archivePath(first: number, last: number): string {
    return path.join(this.folder, `journal-${first}-${last}.jsonl.gz`);
  }

  /** A journal as it was when damage was found behind line `last`. */
  damagedPath(last: number): string {
    return path.join(this.folder, `journal-damaged-${last}.jsonl`);
  }

  /** Both, where there are any. */
  async archives(): Promise<string[]> {
    const names = (await readdir(this.folder).catch(nullIfMissing)) ?? [];
    return names.filter((name) => archiveName.test(name)).map((name) => path.join(this.folder, name));
  }

  /** Where a mask that the object starts from is kept (start.ts). */
  startPath(name: string): string {
    return path.join(this.folder, `${startPrefix}${name}.gz`);
  }

  /** Where the fused probabilities of a state are kept. */
  statePath(name: string): string {
    return path.join(this.folder, `${name}.gz`);
  }

  /** Makes the folder, so that the engine can write results into it. That it is durable is settled meanwhile: `founded` waits for it. */
  async prepare(): Promise<void> {
    const made = await mkdir(this.folder, { recursive: true, mode: 0o700 });
    const before = this.#founded.catch(() => undefined);
    this.#founded = before.then(() => this.#found(made));
    this.#founded.catch(() => undefined);
  }

  founded(): Promise<void> {
    return this.#founded;
  }

  async #found(made: string | undefined): Promise<void> {
    const object = path.join(this.folder, objectName);
    if (made !== undefined || (await stampOf(object)) === "") {
      await replaceFile(object, `${JSON.stringify({ version: 2, ...this.identity, created: new Date().toISOString() })}\n`);
    }
    await keepFolder(this.folder, made);
  }

  /** Whether the result of a round is there and is what was written: what a next round goes on from. */
  async holds({ key, digest }: StateRecord): Promise<boolean> {
    return digest !== "" && (await fileDigest(this.statePath(key)).catch(() => null)) === digest;
  }

  /** Whether its mask is: what an answer is made of. */
  async holdsMask({ key, mask }: StateRecord): Promise<boolean> {
    return mask !== undefined && (await fileDigest(maskPath(this.statePath(key))).catch(() => null)) === mask;
  }

  /** Deletes every result but those of `keep`, and the masks that the object starts from. */
  async prune(keep: ReadonlySet<string>): Promise<void> {
    await this.#remove((name) => !name.startsWith("journal") && !name.startsWith(startPrefix) && name !== objectName && !keep.has(bare(name)));
  }

  /** Deletes the masks to start from but those of `keep`: a client sends its own with every request, so no other is missed. */
  async pruneStarts(keep: ReadonlySet<string>): Promise<void> {
    await this.#remove((name) => name.startsWith(startPrefix) && !keep.has(bare(name).slice(startPrefix.length)));
  }

  async #remove(which: (name: string) => boolean): Promise<void> {
    for (const name of await readdir(this.folder).catch(() => [])) {
      if (which(name)) await rm(path.join(this.folder, name), { force: true });
    }
  }
}

/** Of a state or a starting mask, or of the bits beside it. */
function bare(name: string): string {
  return name.replace(/\.gz(\.mask)?$/, "");
}
