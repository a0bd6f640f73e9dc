/**
 * The index of a folder, kept in step with the files. A small folder is looked at before each answer. A large one, where a look takes
 * long, is answered from memory and looked at beside: our own changes are seen at once, those of other programs a few seconds later,
 * an image that is asked for and not known at once.
 */
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { emptyIndex, type Index, indexName, readIndex, writeIndex } from "./index-file.js";
import { waitForLock } from "./lock.js";
import type { SharedTurns } from "./file-turns.js";
import { type Log, silentLog } from "./log.js";
import { finalTag, originalTag } from "./names.js";
import { reconcile } from "./reconcile.js";
import { folderStamp, type IsSeries, labelTags, scanFolder } from "./scan.js";
import { Turns } from "./turns.js";
import { FolderWatch } from "./watch.js";

/** Milliseconds between two looks at the stamps of a large folder. */
const compareEvery = 100;
const readOnlyCodes = new Set(["EACCES", "EPERM", "EROFS"]);
const fullCodes = new Set(["ENOSPC", "EDQUOT"]);

export interface FolderIndexOptions {
  readonly log: Log;
  /** A folder of more images is large. */
  readonly largeFrom?: number;
  /** Milliseconds that notes (change `later`) may wait for the disk. */
  readonly noteDelay?: number;
  /** Which sub-folders are images; none when not given. */
  readonly isSeries?: IsSeries;
  /** Other servers change the folder, too: one at a time. */
  readonly turns?: SharedTurns;
}

export class FolderIndex {
  readonly folder: string;
  readonly #log: Log;
  readonly #watch: FolderWatch;
  readonly #largeFrom: number;
  readonly #isSeries: IsSeries | undefined;
  /** One change at a time: the index on disk is always one that was meant. */
  readonly #turns: Turns;
  #index: Index = emptyIndex();
  /** Notes that are not on the disk yet: done again where another program wrote the index meanwhile. */
  #notes: ((index: Index) => void)[] = [];
  /** State of the folders at the last scan; null: scan at the next question. */
  #stamp: string | null = null;
  /** State of the index file as we left it: another one means that another program wrote it. */
  #fileStamp = "";
  #readOnly = false;
  /** What was found in the folder is not in the index file yet. */
  #unwritten = false;
  /** What the last look at the folder took, in milliseconds. */
  #lookTook = 0;
  /** When the stamps of a large folder were compared last. */
  #compared = -Infinity;
  #looking: Promise<void> | null = null;
  #lookTimer: NodeJS.Timeout | null = null;
  #closed = false;
  /** Counts changes of which images and labels there are; notes in their infos do not count. */
  #version = 0;
  /** A folder is looked at often; what is odd in it is said once. */
  readonly #said = new Set<string>();
  readonly #once: Log;

  constructor(folder: string, { log, largeFrom = 5000, noteDelay = 1000, isSeries, turns }: FolderIndexOptions) {
    this.#isSeries = isSeries;
    this.folder = folder;
    this.#log = log;
    this.#largeFrom = largeFrom;
    this.#turns = new Turns({ before: () => this.#refresh(), after: () => this.#settle(), write: () => this.#write(), delay: noteDelay, log, among: turns && ((work) => turns.run("index", work)) });
    this.#once = { ...silentLog, warn: (message) => this.#warnOnce(message) };
    this.#watch = new FolderWatch(() => {
      if (!this.#isLarge()) this.#stamp = null;
      this.#lookBeside(0);
    }, log);
  }

  /** Another number means: images or labels came or went. */
  get version(): number {
    return this.#version;
  }

  /** Creates what is missing and reads what is there. */
  async open(): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    for (const tag of [finalTag, originalTag]) {
      await mkdir(join(this.folder, "labels", tag), { recursive: true }).catch((error) => this.#tolerateReadOnly(error));
    }
    await this.read(() => {});
  }

  /** Writes what is still to be written. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#lookTimer) clearTimeout(this.#lookTimer);
    this.#watch.close();
    await this.#turns.close();
  }

  /** Looks something up in an index that is true now. Null or undefined from `look` in a large folder: looked up again after a look at it. */
  async read<T>(look: (index: Index) => T): Promise<T> {
    if (!this.#isLarge()) {
      if ((await folderStamp(this.folder, indexName)).value !== this.#stamp) await this.#turns.look();
      return look(this.#index);
    }
    const found = look(this.#index);
    const missing = found === null || found === undefined;
    if (!missing && performance.now() - this.#compared < compareEvery) return found;
    this.#compared = performance.now();
    if ((await folderStamp(this.folder, indexName)).value === this.#stamp) return found;
    if (!missing) {
      this.#lookBeside(0);
      return found;
    }
    await this.#turns.look();
    return look(this.#index);
  }

  /** Changes files and index together; the next question, by anyone, sees it. When this returns, it is on the disk. */
  change<T>(act: (index: Index) => Promise<T> | T): Promise<T> {
    return this.#turns.run(async () => {
      // Also where `act` fails half-way: the next question looks at the files again.
      const before = this.#stamp;
      this.#stamp = null;
      try {
        const result = await act(this.#index);
        this.#stamp = before;
        return result;
      } finally {
        this.#version++;
      }
    });
  }

  /** Changes infos only, and is on the disk when this returns. */
  amend(act: (index: Index) => void): Promise<void> {
    return this.#turns.run(() => act(this.#index));
  }

  /** Changes infos only, at once, however busy the folder is; on the disk within a second or so, unless the process is killed before. */
  async note(act: (index: Index) => void): Promise<void> {
    await this.read(() => true);
    act(this.#index);
    this.#notes.push(act);
    this.#turns.later();
  }

  #isLarge(): boolean {
    return this.#index.objects.size > this.#largeFrom;
  }

  /** Brings the index up to what lies in the folder. */
  async #refresh(): Promise<void> {
    const stamp = await folderStamp(this.folder, indexName);
    if (stamp.value === this.#stamp) return;
    const start = performance.now();
    const first = this.#fileStamp === "";
    let changed = false;
    if ((await this.#currentFileStamp()) !== this.#fileStamp) {
      await this.#lockedByNobody();
      this.#index = await readIndex(this.folder, this.#log);
      for (const note of this.#notes) note(this.#index);
      this.#fileStamp = await this.#currentFileStamp();
      this.#version++;
    }
    if (await reconcile(this.#index, await scanFolder(this.folder, this.#once, this.#isSeries), this.#once)) {
      changed = true;
      this.#version++;
    }
    this.#lookTook = performance.now() - start;
    if (changed || first) this.#unwritten = true;
    if (this.#unwritten) await this.#writeWhenRoom();
    this.#stamp = stamp.settled || this.#isLarge() ? stamp.value : null;
    if (this.#isLarge() && !stamp.settled) this.#lookBeside();
    this.#watch.follow(this.folder, await labelTags(this.folder));
  }

  /** After changes of ours: a small folder is looked at again, a large one is believed to hold what we put there, until the look beside. */
  async #settle(): Promise<void> {
    if (!this.#isLarge() || this.#stamp === null) {
      this.#stamp = null;
      return;
    }
    this.#stamp = (await folderStamp(this.folder, indexName)).value;
    this.#lookBeside();
  }

  /** Looks at a large folder some time later, at most once in a while; requests are answered meanwhile. */
  #lookBeside(wait = 2000): void {
    if (this.#closed || this.#lookTimer || this.#looking) return;
    const rest = this.#isLarge() ? Math.max(wait, 10 * this.#lookTook) : wait;
    this.#lookTimer = setTimeout(() => {
      this.#lookTimer = null;
      if (this.#isLarge()) this.#stamp = null;
      this.#looking = this.#turns.look()
        .catch((error: Error) => void this.#log.warn(`The studies folder cannot be looked at: ${error.message}`))
        .finally(() => {
          this.#looking = null;
        });
    }, rest);
    this.#lookTimer.unref();
  }

  /** Who only looks needs no index on the disk: on a full one it is written later. */
  async #writeWhenRoom(): Promise<void> {
    try {
      await this.#write();
    } catch (error) {
      if (!fullCodes.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
      this.#once.warn("The disk of the studies folder is full: the index is written when there is room.");
    }
  }

  async #write(): Promise<void> {
    if (this.#readOnly) {
      this.#notes = [];
      return;
    }
    await this.#lockedByNobody();
    const noted = this.#notes.length;
    this.#unwritten = false;
    try {
      await writeIndex(this.folder, this.#index);
      this.#notes.splice(0, noted);
      this.#fileStamp = await this.#currentFileStamp();
    } catch (error) {
      this.#unwritten = true;
      this.#tolerateReadOnly(error);
    }
  }

  async #lockedByNobody(): Promise<void> {
    if (await waitForLock(this.folder)) return;
    this.#log.warn("Another program holds the lock of the studies folder for long; going on without it.");
  }

  async #currentFileStamp(): Promise<string> {
    const found = await stat(join(this.folder, indexName), { bigint: true }).catch(() => null);
    return found ? `${found.ino}.${found.size}.${found.mtimeNs}` : "";
  }

  #warnOnce(message: string): void {
    if (!this.#said.has(message)) this.#log.warn(message);
    this.#said.add(message);
  }

  /** A folder that cannot be written still serves its images. */
  #tolerateReadOnly(error: unknown): void {
    if (!readOnlyCodes.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
    if (!this.#readOnly) this.#log.warn("The studies folder cannot be written: images are served, labels cannot be saved.");
    this.#readOnly = true;
  }
}
