/** The index of a folder and its file: notes that wait for the disk, other programs that write the file, disks that are full or cannot be written. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { emptyIndex, type Index, indexName, readIndex, writeIndex } from "./index-file.js";
import { waitForLock } from "./lock.js";
import type { Log } from "./log.js";

const readOnlyCodes = new Set(["EACCES", "EPERM", "EROFS"]);
const fullCodes = new Set(["ENOSPC", "EDQUOT"]);

export class StoredIndex {
  readonly #folder: string;
  readonly #log: Log;
  /** For what may come again and again: says it the first time only. */
  readonly #once: Log;
  #index: Index = emptyIndex();
  /** Notes that are not on the disk yet: done again where another program wrote the index meanwhile. */
  #notes: ((index: Index) => void)[] = [];
  /** State of the index file as we left it: another one means that another program wrote it. */
  #fileStamp = "";
  #readOnly = false;
  /** What was found in the folder is not in the index file yet. */
  #unwritten = false;

  constructor(folder: string, log: Log, once: Log) {
    this.#folder = folder;
    this.#log = log;
    this.#once = once;
  }

  /** In memory: with all notes, and with what is not on the disk yet. */
  get now(): Index {
    return this.#index;
  }

  /** A change of infos that waits for the next write. */
  note(act: (index: Index) => void): void {
    act(this.#index);
    this.#notes.push(act);
  }

  /** Reads the file where another program wrote it, and does the notes again. Says whether it was read. */
  async refresh(): Promise<boolean> {
    if ((await this.#currentFileStamp()) === this.#fileStamp) return false;
    const first = this.#fileStamp === "";
    await this.#lockedByNobody();
    this.#index = await readIndex(this.#folder, this.#log);
    for (const note of this.#notes) note(this.#index);
    this.#fileStamp = await this.#currentFileStamp();
    if (first) this.#unwritten = true;
    return true;
  }

  /** Writes what was found in the folder (`changed`: just now). Who only looks needs no index on the disk: on a full one it is written later. */
  async writeFound(changed: boolean): Promise<void> {
    // Also where there is no file yet.
    if (changed || this.#fileStamp === "") this.#unwritten = true;
    if (!this.#unwritten) return;
    try {
      await this.write();
    } catch (error) {
      if (!fullCodes.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
      this.#once.warn("The disk of the studies folder is full: the index is written when there is room.");
    }
  }

  /** Writes the file, where the folder can be written. Throws what the disk says otherwise. */
  async write(): Promise<void> {
    if (this.#readOnly) {
      this.#notes = [];
      return;
    }
    await this.#lockedByNobody();
    const noted = this.#notes.length;
    this.#unwritten = false;
    try {
      await writeIndex(this.#folder, this.#index);
      this.#notes.splice(0, noted);
      this.#fileStamp = await this.#currentFileStamp();
    } catch (error) {
      this.#unwritten = true;
      this.tolerateReadOnly(error);
    }
  }

  /** A folder that cannot be written still serves its images. Throws any other error. */
  tolerateReadOnly(error: unknown): void {
    if (!readOnlyCodes.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
    if (!this.#readOnly) this.#log.warn("The studies folder cannot be written: images are served, labels cannot be saved.");
    this.#readOnly = true;
  }

  async #lockedByNobody(): Promise<void> {
    if (await waitForLock(this.#folder)) return;
    this.#log.warn("Another program holds the lock of the studies folder for long; going on without it.");
  }

  async #currentFileStamp(): Promise<string> {
    const found = await stat(join(this.#folder, indexName), { bigint: true }).catch(() => null);
    return found ? `${found.ino}.${found.size}.${found.mtimeNs}` : "";
  }
}
