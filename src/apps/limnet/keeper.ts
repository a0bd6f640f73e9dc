/**
 * Keeps the state folder within its limit. Work whose label was submitted goes first, the oldest first. Of other work only masks go
 * that can be computed again, with a line in the journal that says so; its journals, which are the clicks, stay.
 */
import { readdir, rm, stat } from "node:fs/promises";
import path from "node:path";
import type { SharedTurns } from "../../datastore/file-turns.js";
import type { Log } from "../../datastore/log.js";
import type { Journal } from "./journal.js";
import type { Journals } from "./journals.js";
import type { KeyedLock } from "./lock.js";
import { startsOf, stepInForce } from "./rounds/history.js";

export interface KeeperOptions {
  readonly journals: Journals;
  readonly lock: KeyedLock;
  readonly stateDir: string;
  readonly limitBytes: number;
  /** Other servers clean the folder, too: one at a time. */
  readonly turns?: SharedTurns;
  readonly log: Log;
}

interface Found {
  readonly name: string;
  readonly bytes: number;
  /** Last change, milliseconds since 1970. */
  readonly touched: number;
}

/** Cleaned a little further than the limit, so that not every click cleans again. */
const aim = 0.9;
/** Folders as an earlier version left them: nothing reads them any more. */
const oldFolder = /^[0-9a-f]{32}$/;
const oldMs = 30 * 24 * 3600 * 1000;

export class DiskKeeper {
  readonly #options: KeeperOptions;
  readonly #sizes = new Map<string, number>();
  #sweeping: Promise<void> | null = null;
  #closed = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** After work on an object: measures it, and cleans where the limit is passed. Never throws. */
  async touched(name: string): Promise<void> {
    const { journals, limitBytes } = this.#options;
    this.#sizes.set(name, (await measure(path.join(journals.folder, name))).bytes);
    const total = [...this.#sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
    if (total > limitBytes) await this.sweep();
  }

  /** Measures all and cleans; one at a time. Never throws. */
  sweep(): Promise<void> {
    const { turns } = this.#options;
    this.#sweeping ??= (turns ? turns.run("sweep", () => this.#sweep()) : this.#sweep())
      .catch((error: Error) => void this.#options.log.warn("The state folder cannot be cleaned", { error: error.message }))
      .finally(() => {
        this.#sweeping = null;
      });
    return this.#sweeping;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#sweeping;
  }

  async #sweep(): Promise<void> {
    const { journals, stateDir, limitBytes, log } = this.#options;
    for (const name of await readdir(stateDir).catch(() => [])) {
      const folder = path.join(stateDir, name);
      if (oldFolder.test(name) && Date.now() - (await measure(folder)).touched > oldMs) await rm(folder, { recursive: true, force: true });
    }
    const found: Found[] = [];
    for (const name of await journals.names()) found.push({ name, ...(await measure(path.join(journals.folder, name))) });
    this.#sizes.clear();
    for (const { name, bytes } of found) this.#sizes.set(name, bytes);
    let total = found.reduce((sum, { bytes }) => sum + bytes, 0);
    if (total <= limitBytes) return;

    const known = await Promise.all(found.map(async (one) => ({ ...one, journal: await journals.named(one.name) })));
    const histories = await Promise.all(known.map(async (one) => ({ ...one, submitted: (await one.journal?.load().catch(() => null))?.submitted ?? null })));
    const approved = histories.filter(({ submitted }) => submitted !== null).sort((a, b) => a.submitted!.localeCompare(b.submitted!));
    const others = histories.filter(({ submitted }) => submitted === null).sort((a, b) => a.touched - b.touched);
    let removed = 0;
    for (const { name, bytes, journal } of approved) {
      if (total <= aim * limitBytes || this.#closed) break;
      if (!(await this.#remove(name, journal!))) continue;
      total -= bytes;
      removed++;
    }
    if (removed > 0) log.info(`The state folder was beyond its limit: the journals of ${removed} submitted objects were removed, the oldest first. Their provenance stays beside the labels.`);
    let thinned = 0;
    for (const { name, bytes, journal } of others) {
      if (total <= limitBytes || this.#closed) break;
      const left = journal === null ? null : await this.#thin(name, journal);
      if (left === null) continue;
      thinned++;
      total -= bytes - left;
      this.#sizes.set(name, left);
    }
    if (thinned > 0) log.warn(`The state folder was beyond its limit and no submitted work was left: kept masks of ${thinned} objects were removed. They are computed again when they are asked for; no click is lost.`);
    if (total > limitBytes) log.warn("The state folder is beyond its limit with nothing but journals left. Submit labels that are done, or raise the limit (--state-limit).", { bytes: total, limitBytes });
  }

  /** An object that came back to work meanwhile stays. */
  async #remove(name: string, journal: Journal): Promise<boolean> {
    const { journals, lock } = this.#options;
    return lock.run(name, { signal: new AbortController().signal }, async () => {
      if ((await journal.load()).submitted === null) return false;
      await rm(journal.folder, { recursive: true, force: true });
      journals.forget(name);
      this.#sizes.delete(name);
      return true;
    });
  }

  /** Leaves the mask in force. Returns the bytes that are left; null where there was nothing else. */
  async #thin(name: string, journal: Journal): Promise<number | null> {
    return this.#options.lock.run(name, { signal: new AbortController().signal }, async () => {
      const before = (await measure(journal.folder)).bytes;
      const history = await journal.load();
      await journal.prune(new Set(stepInForce(history)?.keys.slice(-1)));
      await journal.pruneStarts(new Set(startsOf(history)));
      if ((await measure(journal.folder)).bytes === before) return null;
      await journal.append({ who: "", action: "repair", ran: [], note: "Masks of other steps were removed to keep the state folder within its limit; they are computed again when they are asked for." }).catch(() => undefined);
      return (await measure(journal.folder)).bytes;
    });
  }
}

async function measure(folder: string): Promise<{ bytes: number; touched: number }> {
  let bytes = 0;
  let touched = 0;
  for (const name of await readdir(folder).catch(() => [])) {
    const found = await stat(path.join(folder, name)).catch(() => null);
    if (!found) continue;
    bytes += found.size;
    touched = Math.max(touched, found.mtimeMs);
  }
  return { bytes, touched };
}
