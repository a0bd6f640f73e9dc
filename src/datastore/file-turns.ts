/**
 * One at a time among processes that share a folder, on one machine or several: who has a turn has a file. It needs nothing but the
 * folder, so that what is written there is safe whatever else is away.
 */
import { mkdir, rm, utimes } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createHold, type Holder, isListed, lastBeat, readHold, takeAway, thisProcess } from "./holder.js";

/** What others need to know of it. */
export interface SharedTurns {
  /** Waits for the turn; resolves with what ends it. Rejects with the reason of the signal. */
  take(name: string, signal?: AbortSignal): Promise<() => Promise<void>>;
  /** `work` in its turn. */
  run<T>(name: string, work: () => Promise<T>): Promise<T>;
}

/** Milliseconds between two looks at a turn that is taken: the first, and the longest. */
const [firstLook, longestLook] = [4, 100];

export class FileTurns implements SharedTurns {
  readonly #folder: string;
  readonly #beatMs: number;

  /** `beatMs`: between two signs of life; a holder on another machine without any for three of them counts as gone. */
  constructor(folder: string, { beatMs = 3000 }: { beatMs?: number } = {}) {
    this.#folder = folder;
    this.#beatMs = beatMs;
  }

  /** `name`: letters, digits and "-". */
  async take(name: string, signal?: AbortSignal): Promise<() => Promise<void>> {
    const path = join(this.#folder, `${name}.lock`);
    const mine = await thisProcess();
    const seen = { sign: "", since: 0 };
    for (let look = firstLook; !(await this.#create(path, mine)); look = Math.min(look * 1.5, longestLook)) {
      signal?.throwIfAborted();
      const other = await readHold(path);
      if (other === "gone") continue;
      if (!(await this.#lives(path, other, mine, seen))) await takeAway(path, other, mine);
      else await sleep(look, undefined, { signal }).catch(() => signal?.throwIfAborted());
    }
    const timer = setInterval(() => {
      const now = new Date();
      utimes(path, now, now).catch(() => {});
    }, this.#beatMs);
    timer.unref();
    return async () => {
      clearInterval(timer);
      const holder = await readHold(path);
      if (holder !== "gone" && holder.nonce === mine.nonce) await rm(path, { force: true });
    };
  }

  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const end = await this.take(name);
    try {
      return await work();
    } finally {
      await end();
    }
  }

  async #create(path: string, mine: Holder): Promise<boolean> {
    try {
      return await createHold(path, mine, { sync: false });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      return false;
    }
  }

  /** The process list says so, or a sign of life that is not the one of before. */
  async #lives(path: string, other: Holder, mine: Holder, seen: { sign: string; since: number }): Promise<boolean> {
    const listed = await isListed(other, mine);
    if (listed !== null) return listed;
    const sign = `${other.nonce}.${await lastBeat(path)}`;
    if (sign !== seen.sign) Object.assign(seen, { sign, since: performance.now() });
    return performance.now() - seen.since < 3 * this.#beatMs;
  }
}
