/**
 * The index of a folder, kept in step with the files. A small folder is looked at before each answer. A large one, where a look takes
 * long, is answered from memory and looked at beside: our own changes are seen at once, those of other programs a few seconds later,
 * an image that is asked for and not known at once.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Index, indexName } from "./index-file.js";
import type { SharedTurns } from "./file-turns.js";
import { type Log, silentLog } from "./log.js";
import { finalTag, originalTag } from "./names.js";
import { reconcile } from "./reconcile.js";
import { folderStamp, type IsSeries, labelTags, scanFolder } from "./scan.js";
import { StoredIndex } from "./stored-index.js";
import { Turns } from "./turns.js";
import { FolderWatch } from "./watch.js";

/** Milliseconds between two looks at the stamps of a large folder. */
const compareEvery = 100;

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
  readonly #index: StoredIndex;
  /** State of the folders at the last scan; null: scan at the next question. */
  #stamp: string | null = null;
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
    this.#turns = new Turns({ before: () => this.#refresh(), after: () => this.#settle(), write: () => this.#index.write(), delay: noteDelay, log, among: turns && ((work) => turns.run("index", work)) });
    this.#once = { ...silentLog, warn: (message) => this.#warnOnce(message) };
    this.#index = new StoredIndex(folder, log, this.#once);
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
      await mkdir(join(this.folder, "labels", tag), { recursive: true }).catch((error) => this.#index.tolerateReadOnly(error));
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
      return look(this.#index.now);
    }
    const found = look(this.#index.now);
    const missing = found === null || found === undefined;
    if (!missing && performance.now() - this.#compared < compareEvery) return found;
    this.#compared = performance.now();
    if ((await folderStamp(this.folder, indexName)).value === this.#stamp) return found;
    if (!missing) {
      this.#lookBeside(0);
      return found;
    }
    await this.#turns.look();
    return look(this.#index.now);
  }

  /** Changes files and index together; the next question, by anyone, sees it. When this returns, it is on the disk. */
  change<T>(act: (index: Index) => Promise<T> | T): Promise<T> {
    return this.#turns.run(async () => {
      // Also where `act` fails half-way: the next question looks at the files again.
      const before = this.#stamp;
      this.#stamp = null;
      try {
        const result = await act(this.#index.now);
        this.#stamp = before;
        return result;
      } finally {
        this.#version++;
      }
    });
  }

  /** Changes infos only, and is on the disk when this returns. */
  amend(act: (index: Index) => void): Promise<void> {
    return this.#turns.run(() => act(this.#index.now));
  }

  /** Changes infos only, at once, however busy the folder is; on the disk within a second or so, unless the process is killed before. */
  async note(act: (index: Index) => void): Promise<void> {
    await this.read(() => true);
    this.#index.note(act);
    this.#turns.later();
  }

  #isLarge(): boolean {
    return this.#index.now.objects.size > this.#largeFrom;
  }

  /** Brings the index up to what lies in the folder. */
  async #refresh(): Promise<void> {
    const stamp = await folderStamp(this.folder, indexName);
    if (stamp.value === this.#stamp) return;
    const start = performance.now();
    if (await this.#index.refresh()) this.#version++;
    const changed = await reconcile(this.#index.now, await scanFolder(this.folder, this.#once, this.#isSeries), this.#once);
    if (changed) this.#version++;
    this.#lookTook = performance.now() - start;
    await this.#index.writeFound(changed);
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

  #warnOnce(message: string): void {
    if (!this.#said.has(message)) this.#log.warn(message);
    this.#said.add(message);
  }
}
