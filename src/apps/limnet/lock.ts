/** One at a time per key, in the order of arrival; a newer request takes the place of those that still wait. */
import { LimnetError } from "../../errors.js";

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
    this.#replace(key, wish, kind);
    const places = this.#places.get(key) ?? new Set();
    this.#places.set(key, places.add(place));
    try {
      if (earlier || signal.aborted) await waitFor(before, signal, place.giveWay.signal);
      return await work(place.giveWay.signal);
    } finally {
      places.delete(place);
      if (places.size === 0) this.#places.delete(key);
      done();
      void tail.then(() => {
        if (this.#tails.get(key) === tail) this.#tails.delete(key);
      });
    }
  }

  #replace(key: string, wish: string | undefined, kind: string | undefined): void {
    if (wish === undefined) return;
    for (const older of this.#places.get(key) ?? []) {
      if (older.wish !== undefined && older.wish !== wish && older.kind === kind) older.giveWay.abort(superseded());
    }
  }
}

function superseded(): LimnetError {
  return new LimnetError("superseded", "A newer request for the same image and label took the place of this one before its turn came. Its answer holds all clicks that it sent.");
}

/** Waits; rejects as soon as one of the signals says so. */
function waitFor(before: Promise<void>, signal: AbortSignal, giveWay: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => settle(() => reject(new LimnetError("engine_cancelled", "The request was cancelled before its turn came.")));
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
