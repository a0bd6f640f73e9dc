/**
 * The journal of one object on disk: a folder with `journal.jsonl` (append-only, a line per action, synced before the answer
 * leaves), `object.json` (whose it is) and the compressed mask of each kept state. What a client was told is in it; masks that
 * are missing or damaged are computed again from it.
 */
import { constants, copyFile, mkdir, readdir, readFile, rm, stat, truncate } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { fileDigest } from "../../imaging/digest.js";
import type { SharedTurns } from "../../datastore/file-turns.js";
import { appendSynced, freshStampOf, replaceFile, stampOf, syncFile, syncFolder } from "./durable.js";
import { entryLine, fromSnapshot, parseLine, snapshotLine } from "./journal-lines.js";
import { type Entry, emptyHistory, extendHistory, type History, type StateRecord } from "./rounds/history.js";

const fileName = "journal.jsonl";
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
export class Journal {
  readonly #packBytes: number;
  readonly #append: (file: string, text: string) => Promise<void>;
  readonly #turns: SharedTurns | undefined;
  #loaded: Loaded | null = null;
  /** End of the last access to the file: accesses come one after the other. */
  #tail: Promise<unknown> = Promise.resolve();
  /** The folder and whose it is, on their way to the disk. */
  #founded: Promise<void> = Promise.resolve();

  constructor(readonly folder: string, readonly identity: ObjectIdentity, options: JournalOptions = {}) {
    this.#packBytes = options.packBytes ?? 4 * 2 ** 20;
    this.#append = options.append ?? appendSynced;
    this.#turns = options.turns;
  }

  get #file(): string {
    return path.join(this.folder, fileName);
  }

  /** Where a mask that the object starts from is kept (start.ts). */
  startPath(name: string): string {
    return path.join(this.folder, `${startPrefix}${name}.gz`);
  }

  /** Where the fused probabilities of a state are kept. */
  statePath(name: string): string {
    return path.join(this.folder, `${name}.gz`);
  }

  /**
   * Reads the journal, once as long as nobody else writes it. A last line that a crash cut short goes (no client was told of it);
   * lines that cannot be read are passed over, and the file is kept as it was under another name. Both leave a line that says so.
   */
  load(): Promise<History> {
    return this.#inTurn(() => this.#load(false));
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
  async #load(alone: boolean): Promise<History> {
    const stamp = await (this.#turns ? freshStampOf : stampOf)(this.#file);
    if (this.#loaded?.stamp === stamp) return this.#loaded.history;
    const bytes = stamp === "" ? Buffer.alloc(0) : await readFile(this.#file);
    const end = bytes.lastIndexOf(10) + 1;
    const notes: string[] = [];
    const { history, damaged } = readHistory(bytes.toString("utf8", 0, end));
    if ((end < bytes.length || damaged > 0) && !alone) return this.#alone(() => this.#load(true));
    if (end < bytes.length) {
      await truncate(this.#file, end);
      notes.push("The last line had been cut short by a crash or a full disk and was removed. No client was told of it.");
    }
    if (damaged > 0) {
      const aside = `journal-damaged-${history.n}.jsonl`;
      await copyFile(this.#file, path.join(this.folder, aside), constants.COPYFILE_EXCL).catch(() => undefined);
      // With them, they would be found damaged again at the next start.
      if (history.steps.length > 0) await replaceFile(this.#file, snapshotLine(history));
      notes.push(`${damaged} damaged lines were passed over; the file as it was is kept as ${aside}.`);
    }
    this.#loaded = { history, end: damaged > 0 ? (await stat(this.#file)).size : end, first: bytes.indexOf(10) + 1, stamp: await stampOf(this.#file) };
    for (const note of notes) await this.#addAlone({ who: "", action: "repair", ran: [], note }).catch(() => undefined);
    return this.#loaded?.history ?? history;
  }

  /** Makes the folder, so that the engine can write results into it. That it is durable is settled meanwhile: `append` waits for it. */
  async prepare(): Promise<void> {
    const made = await mkdir(this.folder, { recursive: true, mode: 0o700 });
    const before = this.#founded.catch(() => undefined);
    this.#founded = before.then(() => this.#found(made));
    this.#founded.catch(() => undefined);
  }

  async #found(made: string | undefined): Promise<void> {
    const object = path.join(this.folder, objectName);
    if (made !== undefined || (await stampOf(object)) === "") {
      await replaceFile(object, `${JSON.stringify({ version: 2, ...this.identity, created: new Date().toISOString() })}\n`);
    }
    if (made !== undefined) for (let at = this.folder; at.length >= made.length; at = path.dirname(at)) await syncFolder(path.dirname(at));
  }

  /**
   * Adds a line. When this returns, the line and the results that it names are on the disk; when it throws, the journal is as it
   * was. Returns the history after it.
   */
  append(done: Omit<Entry, "version" | "n" | "time">): Promise<History> {
    return this.#inTurn(() => this.#alone(() => this.#addAlone(done)));
  }

  async #addAlone(done: Omit<Entry, "version" | "n" | "time">): Promise<History> {
    const before = await this.#load(true);
    await this.prepare();
    await this.#founded;
    const entry: Entry = { version: 2, n: before.n + 1, time: new Date().toISOString(), ...done };
    const history = extendHistory(before, entry);
    const { end, first } = this.#loaded!;
    const text = entryLine(entry);
    try {
      // Side by side: a line whose result is missing after a crash lets it be computed again.
      const written = await Promise.allSettled([this.#append(this.#file, text), ...done.ran.map(({ key }) => syncFile(this.statePath(key)))]);
      for (const one of written) if (one.status === "rejected") throw one.reason;
      if (end === 0 || done.ran.length > 0) await syncFolder(this.folder);
    } catch (error) {
      // A part of the line may be there. What cannot be cut off now is cut off when the journal is read again.
      this.#loaded = null;
      await truncate(this.#file, end).catch(() => undefined);
      throw error;
    }
    const size = end + Buffer.byteLength(text);
    this.#loaded = { history, end: size, first: first || size, stamp: await stampOf(this.#file) };
    if (size > Math.max(this.#packBytes, 2 * this.#loaded.first)) await this.#pack(history).catch(() => undefined);
    return history;
  }

  /** Whether the result of a round is there and is what was written. */
  async holds(record: StateRecord): Promise<boolean> {
    const digest = await fileDigest(this.statePath(record.key)).catch(() => null);
    return digest === record.digest;
  }

  /** Deletes every result but those of `keep`, and the masks that the object starts from. */
  async prune(keep: ReadonlySet<string>): Promise<void> {
    for (const name of await readdir(this.folder).catch(() => [])) {
      if (name.startsWith("journal") || name.startsWith(startPrefix) || name === objectName || keep.has(name.replace(/\.gz$/, ""))) continue;
      await rm(path.join(this.folder, name), { force: true });
    }
  }

  /** All lines that were ever written, the oldest first, archives included; for reading (GET journal, provenance). */
  async entries(): Promise<Entry[]> {
    await this.load();
    const names = (await readdir(this.folder).catch(() => [])).filter((name) => archiveName.test(name));
    const found = new Map<number, Entry>();
    const add = (text: string) => {
      for (const line of text.split("\n")) {
        const entry = parseLine(line);
        if (entry && "action" in entry) found.set(entry.n, entry);
      }
    };
    for (const name of names) {
      const bytes = await readFile(path.join(this.folder, name));
      add((name.endsWith(".gz") ? await promisify(gunzip)(bytes) : bytes).toString("utf8"));
    }
    add(await readFile(this.#file, "utf8").catch(() => ""));
    return [...found.values()].sort((a, b) => a.n - b.n);
  }

  /** A crash between the two leaves lines twice, in the archive and in the journal: they are counted, so it does not matter. */
  async #pack(history: History): Promise<void> {
    const bytes = await readFile(this.#file);
    const archive = path.join(this.folder, `journal-${firstNumber(bytes)}-${history.n}.jsonl.gz`);
    await replaceFile(archive, await promisify(gzip)(bytes));
    await replaceFile(this.#file, snapshotLine(history));
    this.#loaded = null;
  }
}

function firstNumber(bytes: Buffer): number {
  return parseLine(bytes.toString("utf8", 0, bytes.indexOf(10)))?.n ?? 0;
}

function readHistory(text: string): { history: History; damaged: number } {
  let history = emptyHistory;
  let damaged = 0;
  let n = 0;
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const read = parseLine(line);
    n = Math.max(n, read?.n ?? 0);
    try {
      if (read === null) damaged++;
      else if ("snapshot" in read) history = fromSnapshot(read, extendHistory);
      else history = extendHistory(history, read);
    } catch {
      damaged++;
    }
  }
  return { history: { ...history, n }, damaged };
}
