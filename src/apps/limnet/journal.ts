/**
 * The journal of one object on disk, in its folder (object-folder.ts): append-only, a line per action, synced before the answer leaves.
 * What a client was told is in it; masks that are missing or damaged are computed again from it.
 */
import { readFile, stat, truncate } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { SharedTurns } from "../../datastore/file-turns.js";
import { appendSynced, copyInto, freshStampOf, replaceFile, stampOf, syncFile, syncFolder } from "../../durable.js";
import { maskPath } from "../../engine/mask-bits.js";
import { entryLine, snapshotLine } from "./journal-lines.js";
import { firstNumber, readEntries, readHistory, readHistoryOfAll } from "./journal-read.js";
import { ObjectFolder, type ObjectIdentity } from "./object-folder.js";
import { type Entry, extendHistory, type History } from "./rounds/history.js";

export interface JournalOptions {
  /** A journal beyond this many bytes is packed into an archive, and goes on with what it had led to. */
  readonly packBytes?: number;
  /** How bytes get to the end of a file, durably; replaced by tests. */
  readonly append?: (file: string, text: string) => Promise<void>;
  /** Other servers write the journal, too: their turn and ours. */
  readonly turns?: SharedTurns;
}

interface Loaded {
  readonly history: History;
  /** Bytes of the file that are whole lines. */
  readonly end: number;
  /** Bytes of the first line. */
  readonly first: number;
  readonly stamp: string;
}

/** One per folder: accesses to the file wait for each other. Who goes on from a history holds the lock of the object (lock.ts). */
export class Journal extends ObjectFolder {
  readonly #packBytes: number;
  readonly #append: (file: string, text: string) => Promise<void>;
  readonly #turns: SharedTurns | undefined;
  #loaded: Loaded | null = null;
  /** End of the last access to the file: accesses come one after the other. */
  #tail: Promise<unknown> = Promise.resolve();

  constructor(folder: string, identity: ObjectIdentity, options: JournalOptions = {}) {
    super(folder, identity);
    this.#packBytes = options.packBytes ?? 4 * 2 ** 20;
    this.#append = options.append ?? appendSynced;
    this.#turns = options.turns;
  }

  /**
   * Reads the journal, once as long as nobody else writes it. A last line that a crash cut short goes (no client was told of it);
   * lines that cannot be read are passed over, and the file is kept as it was under another name. Both leave a line that says so.
   */
  load(): Promise<History> {
    return this.#inTurn(async () => (await this.#load(false)).history);
  }

  /** Lets go of what was read. */
  forget(): void {
    void this.#inTurn(async () => {
      this.#loaded = null;
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#tail.then(work);
    this.#tail = mine.catch(() => undefined);
    return mine;
  }

  /** `work` while no other server writes the journal. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    return this.#turns ? this.#turns.run(`line-${path.basename(this.folder)}`, work) : work();
  }

  /** `alone`: no other server writes it meanwhile. What looks damaged may be a line that is just being written. */
  async #load(alone: boolean): Promise<Loaded> {
    const stamp = await (this.#turns ? freshStampOf : stampOf)(this.file);
    if (this.#loaded?.stamp === stamp) return this.#loaded;
    const bytes = stamp === "" ? Buffer.alloc(0) : await readFile(this.file);
    const end = bytes.lastIndexOf(10) + 1;
    const notes: string[] = [];
    const text = bytes.toString("utf8", 0, end);
    const { history: told, damaged } = readHistory(text);
    if ((end < bytes.length || damaged > 0) && !alone) return this.#alone(() => this.#load(true));
    const history = damaged > 0 ? await this.#best(text, told) : told;
    if (end < bytes.length) {
      await truncate(this.file, end);
      notes.push("The last line had been cut short by a crash or a full disk and was removed. No client was told of it.");
    }
    const kept = damaged > 0 && (await this.#keepDamaged(history));
    if (kept) notes.push(`${damaged} damaged lines were passed over; the file as it was is kept as ${path.basename(kept)}.${history === told ? "" : " The rounds before them were read from the archives beside it."}`);
    const loaded: Loaded = { history, end: damaged > 0 ? (await stat(this.file)).size : end, first: bytes.indexOf(10) + 1, stamp: await stampOf(this.file) };
    this.#loaded = loaded;
    for (const note of notes) await this.#addAlone({ who: "", action: "repair", ran: [], note }).catch(() => undefined);
    const noted = this.#loaded as Loaded | null;
    if (noted) return noted;
    // No room for the note, which nobody was promised. A part of it may be there.
    await truncate(this.file, loaded.end);
    this.#loaded = { ...loaded, stamp: await stampOf(this.file) };
    return this.#loaded;
  }

  /** A damaged first line may have stood for all that went to the archives: they tell it again. Never less than the file alone. */
  async #best(text: string, told: History): Promise<History> {
    const { history } = await readHistoryOfAll(this, text);
    return history.steps.length > told.steps.length || history.n > told.n ? history : told;
  }

  /** Keeps the file as it was, and goes on without the damaged lines: they would be found again at the next start. False where there is no room. */
  async #keepDamaged(history: History): Promise<string | false> {
    const aside = this.damagedPath(history.n);
    try {
      if ((await stampOf(aside)) === "") await copyInto(this.file, aside);
    } catch {
      return false;
    }
    if (history.steps.length > 0) await replaceFile(this.file, snapshotLine(history));
    return aside;
  }

  /**
   * Adds a line. When this returns, the line and the results that it names are on the disk; when it throws, the journal is as it
   * was. Returns the history after it.
   */
  append(done: Omit<Entry, "version" | "n" | "time">): Promise<History> {
    return this.#inTurn(() => this.#alone(() => this.#addAlone(done)));
  }

  async #addAlone(done: Omit<Entry, "version" | "n" | "time">): Promise<History> {
    const [{ history: before, end, first }] = await Promise.all([this.#load(true), this.prepare()]);
    await this.founded();
    const entry: Entry = { version: 2, n: before.n + 1, time: new Date().toISOString(), ...done };
    const history = extendHistory(before, entry);
    const text = entryLine(entry);
    try {
      // Side by side: a line whose result is missing after a crash lets it be computed again.
      const written = await Promise.allSettled([this.#append(this.file, text), ...this.#resultsOf(done).map(syncFile)]);
      for (const one of written) if (one.status === "rejected") throw one.reason;
      if (end === 0 || done.ran.length > 0 || done.wrote) await syncFolder(this.folder);
    } catch (error) {
      // A part of the line may be there. What cannot be cut off now is cut off when the journal is read again.
      this.#loaded = null;
      await truncate(this.file, end).catch(() => undefined);
      throw error;
    }
    const size = end + Buffer.byteLength(text);
    this.#loaded = { history, end: size, first: first || size, stamp: await stampOf(this.file) };
    if (size > Math.max(this.#packBytes, 2 * this.#loaded.first)) await this.#pack(history).catch(() => undefined);
    return history;
  }

  /** Files that a line names. Of a state that is not written yet, that is its mask. */
  #resultsOf({ ran, wrote = [] }: Pick<Entry, "ran" | "wrote">): string[] {
    return [...ran.map(({ key, digest }) => (digest === "" ? maskPath(this.statePath(key)) : this.statePath(key))), ...wrote.map(({ key }) => this.statePath(key))];
  }

  /** All lines that were ever written, the oldest first, archives included; for reading (GET journal, provenance). */
  async entries(): Promise<Entry[]> {
    await this.load();
    return readEntries(this);
  }

  /** A crash between the two leaves lines twice, in the archive and in the journal: they are counted, so it does not matter. */
  async #pack(history: History): Promise<void> {
    const bytes = await readFile(this.file);
    await replaceFile(this.archivePath(firstNumber(bytes), history.n), await promisify(gzip)(bytes));
    await replaceFile(this.file, snapshotLine(history));
    this.#loaded = null;
  }
}
