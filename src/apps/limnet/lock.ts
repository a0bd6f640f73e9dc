/**
 * One at a time per key, in the order of arrival; a newer request takes the place of those that still wait. Where servers share the
 * state folder, one of all of them at a time.
 */
import type { SharedTurns } from "../../datastore/file-turns.js";
import { diskFull } from "../../engine/state.js";
import { LimnetError } from "../../errors.js";

/** Of a lock that servers share. */
export interface SharedLock {
  readonly turns: SharedTurns;
  /** Tells the other servers of a newer wish; they call `replace`. */
  readonly tell: (wish: Wish) => void;
}

export interface Wish {
  readonly key: string;
  readonly wish: string;
  readonly kind: string | undefined;
}

export interface Turn {
  readonly signal: AbortSignal;
  /**
   * What is asked for, where a newer wish makes an older one pointless: the clicks of a request. A request with another wish takes the
   * place of those that came before and have not begun; the same wish twice is answered twice. Absent: never replaced, replaces nobody.
   */
  readonly wish?: string;
  /** Wishes of other kinds are left alone: a look at one slice takes nothing from a round through the volume. */
  readonly kind?: string;
}

interface Place {
  readonly kind: string | undefined;
  readonly wish: string | undefined;
  readonly giveWay: AbortController;
}

export class KeyedLock {
  readonly #tails = new Map<string, Promise<void>>();
  /** Who waits or works, by key. */
  readonly #places = new Map<string, Set<Place>>();
  readonly #shared: SharedLock | null;

  constructor(shared: SharedLock | null = null) {
    this.#shared = shared;
  }

  /**
   * Runs `work` after all earlier work of the key. Its argument is aborted when a newer request has come, for the case that the work
   * itself waits somewhere. Throws LimnetError engine_cancelled where the signal came first, superseded where a newer request did.
   */
  async run<T>(key: string, { signal, wish, kind }: Turn, work: (giveWay: AbortSignal) => Promise<T>): Promise<T> {
    const earlier = this.#tails.get(key);
    const before = earlier ?? Promise.resolve();
    let done = () => {};
    const mine = new Promise<void>((resolve) => {
      done = resolve;
    });
    const tail = before.then(() => mine);
    this.#tails.set(key, tail);
    const place: Place = { wish, kind, giveWay: new AbortController() };
    if (wish !== undefined) {
      this.replace({ key, wish, kind });
      this.#shared?.tell({ key, wish, kind });
    }
    const places = this.#places.get(key) ?? new Set();
    this.#places.set(key, places.add(place));
    try {
      if (earlier || signal.aborted) await waitFor(before, signal, place.giveWay.signal);
      return await this.#among(key, AbortSignal.any([signal, place.giveWay.signal]), () => work(place.giveWay.signal));
    } finally {
      places.delete(place);
      if (places.size === 0) this.#places.delete(key);
      done();
      void tail.then(() => {
        if (this.#tails.get(key) === tail) this.#tails.delete(key);
      });
    }
  }

  /** Resolves when no work of before is left. */
  async idle(): Promise<void> {
    await Promise.all(this.#tails.values());
  }

  /** Where another server has it, after that one. */
  async #among<T>(key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.#shared === null) return work();
    const end = await this.#shared.turns.take(key, signal).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOSPC" || error.code === "EDQUOT") throw diskFull(error);
      if (!signal.aborted || signal.reason instanceof LimnetError) throw error;
      throw cancelled();
    });
    try {
      return await work();
    } finally {
      await end();
    }
  }

  /** A newer wish takes the place of those that wait here. */
  replace({ key, wish, kind }: Wish): void {
    for (const older of this.#places.get(key) ?? []) {
      if (older.wish !== undefined && older.wish !== wish && older.kind === kind) older.giveWay.abort(superseded());
    }
  }
}

const cancelled = () => new LimnetError("engine_cancelled", "The request was cancelled before its turn came.");

function superseded(): LimnetError {
  return new LimnetError("superseded", "A newer request for the same image and label took the place of this one before its turn came. Its answer holds all clicks that it sent.");
}

/** Waits; rejects as soon as one of the signals says so. */
function waitFor(before: Promise<void>, signal: AbortSignal, giveWay: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => settle(() => reject(cancelled()));
    const replaced = () => settle(() => reject(giveWay.reason));
    const settle = (how: () => void) => {
      signal.removeEventListener("abort", stop);
      giveWay.removeEventListener("abort", replaced);
      how();
    };
    if (signal.aborted) return stop();
    if (giveWay.aborted) return replaced();
    signal.addEventListener("abort", stop, { once: true });
    giveWay.addEventListener("abort", replaced, { once: true });
    void before.then(() => settle(resolve));
  });
}
