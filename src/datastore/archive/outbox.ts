/**
 * Labels on their way into the archive. An object is on disk here before anyone is told that it was taken, and leaves only when the
 * archive has said that it stored it and has then been asked for it and had it. Sending twice does no harm: the UIDs stay the same.
 */
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { ArchiveClient } from "../../dicomweb/client.js";
import { makeFolder, stampOf, syncFolder } from "../../durable.js";
import type { Log } from "../log.js";
import { deliver, sentence } from "./deliver.js";
import { dueAt, type OutboxEntry } from "./outbox-entry.js";
import { readJson, writeJson, writeWhole } from "./small-files.js";

export interface OutboxOptions {
  readonly client: ArchiveClient;
  readonly log: Log;
  /** Told when an object is in the archive for certain. */
  readonly onStored: (entry: OutboxEntry) => Promise<void>;
  /** Milliseconds before the second attempt; doubled each time up to `longestMs`. */
  readonly firstMs?: number;
  readonly longestMs?: number;
  /** Milliseconds before each question whether the object is there: some archives index later than they answer. */
  readonly verifyMs?: readonly number[];
}

export interface NewObject {
  readonly image: string;
  readonly study: string;
  readonly series: string;
  readonly instance: string;
  readonly bytes: Uint8Array;
}

export class Outbox {
  readonly #folder: string;
  readonly #options: Required<OutboxOptions>;
  readonly #entries = new Map<string, OutboxEntry>();
  readonly #busy = new Map<string, Promise<OutboxEntry | null>>();
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | null = null;

  constructor(folder: string, options: OutboxOptions) {
    this.#folder = folder;
    const { firstMs = 5000, longestMs = 10 * 60_000, verifyMs = [0, 300, 1500] } = options;
    this.#options = { ...options, firstMs, longestMs, verifyMs };
  }

  /** Finds what was left by the last run, and begins to send it. */
  async open(): Promise<void> {
    await makeFolder(this.#folder, 0o700);
    for (const name of await readdir(this.#folder)) {
      const entry = await readJson<OutboxEntry>(join(this.#folder, name, "entry.json"));
      if (entry && entry.id === name) this.#entries.set(name, entry);
      // Not finished when the server was killed: nobody was told that it was taken.
      else if (name.startsWith(".new-")) await rm(join(this.#folder, name), { recursive: true, force: true });
      else if (await stampOf(join(this.#folder, name, "object.dcm")) !== "") this.#options.log.error("A label in the outbox cannot be read and is not sent. It stays in the outbox folder of the state folder: object.dcm is the DICOM object.", { id: name });
    }
    if (this.#entries.size > 0) this.#options.log.info("labels wait to be sent to the archive", { waiting: this.#entries.size });
    this.#plan();
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error("The server stops."));
    if (this.#timer) clearTimeout(this.#timer);
    await Promise.allSettled(this.#busy.values());
  }

  list(): OutboxEntry[] {
    return [...this.#entries.values()].sort((a, b) => (a.created < b.created ? -1 : 1));
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Takes an object over; it is on disk when this returns. `send` tries at once. */
  async add({ bytes, ...object }: NewObject): Promise<OutboxEntry> {
    const id = randomUUID();
    const entry: OutboxEntry = { id, ...object, created: new Date().toISOString(), attempts: 0, lastAttempt: null, state: "waiting", reason: "" };
    const fresh = join(this.#folder, `.new-${id}`);
    await mkdir(fresh, { recursive: true, mode: 0o700 });
    await writeWhole(join(fresh, "object.dcm"), bytes);
    await writeJson(join(fresh, "entry.json"), entry);
    await rename(fresh, join(this.#folder, id));
    await syncFolder(this.#folder);
    this.#entries.set(id, entry);
    this.#plan();
    return entry;
  }

  /** Tries now. Null when the object is in the archive; else the entry with the reason why not. Never throws for the archive's sake. */
  send(id: string): Promise<OutboxEntry | null> {
    const running = this.#busy.get(id);
    if (running) return running;
    const sending = this.#send(id).finally(() => {
      this.#busy.delete(id);
      this.#plan();
    });
    this.#busy.set(id, sending);
    return sending;
  }

  /** Drops objects of an image that were not sent yet: the label was removed. */
  async dropFor(image: string): Promise<void> {
    for (const { id } of this.list().filter((entry) => entry.image === image)) {
      await this.#busy.get(id)?.catch(() => {});
      this.#entries.delete(id);
      await rm(join(this.#folder, id), { recursive: true, force: true });
    }
  }

  async #send(id: string): Promise<OutboxEntry | null> {
    const entry = this.#entries.get(id);
    if (!entry) return null;
    const { signal } = this.#stop;
    const problem = await readFile(join(this.#folder, id, "object.dcm")).then((bytes) => deliver(entry, bytes, { ...this.#options, signal }))
      .catch((error: Error) => ({ state: "waiting" as const, reason: sentence(error) }));
    if (signal.aborted && problem) return entry;
    if (!this.#entries.has(id)) return null;
    if (problem) {
      const next: OutboxEntry = { ...entry, ...problem, attempts: entry.attempts + 1, lastAttempt: new Date().toISOString() };
      this.#entries.set(id, next);
      await writeJson(join(this.#folder, id, "entry.json"), next);
      this.#options.log.warn("a label waits in the outbox", { attempts: next.attempts, state: next.state, reason: next.reason });
      return next;
    }
    await this.#options.onStored(entry);
    this.#entries.delete(id);
    await rm(join(this.#folder, id), { recursive: true, force: true });
    return null;
  }

  /** Sets the clock for whatever is due next. */
  #plan(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#stop.signal.aborted) return;
    const waiting = this.list().filter(({ id }) => !this.#busy.has(id));
    if (waiting.length === 0) return;
    const due = Math.min(...waiting.map((entry) => dueAt(entry, this.#options)));
    this.#timer = setTimeout(() => {
      const now = waiting.filter((entry) => dueAt(entry, this.#options) <= Date.now());
      // A timer may be ahead of the clock of the day.
      if (now.length === 0) this.#plan();
      for (const { id } of now) this.send(id).catch((error: Error) => this.#options.log.error("the outbox cannot be worked on", { error: error.message }));
    }, Math.max(50, Math.min(due - Date.now(), 2 ** 30)));
    this.#timer.unref();
  }
}
