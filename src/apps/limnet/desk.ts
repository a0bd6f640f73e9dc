/**
 * Who works on which object right now, and who looks on: progress goes out, the word to stop comes in. Where several servers share the
 * state folder, also from one to the other.
 */
import type { Progress } from "../../engine/protocol.js";
import { LimnetError } from "../../errors.js";
import type { Peers } from "../../jobs/peers.js";
import type { ObjectEvent } from "../app.js";
import type { Watch } from "./object-request.js";
import type { StateRecord } from "./rounds/history.js";

type Listener = (event: ObjectEvent) => void;

/** One request at work. */
interface Sitting {
  readonly action: string;
  readonly since: number;
  readonly stop: AbortController;
  /** Resolves when the request is over: whether it came to its end. */
  readonly over: Promise<boolean>;
  state: "waiting" | "running";
  round: number | null;
}

export interface Stopped {
  readonly action: string;
  readonly state: "waiting" | "running";
  /** Round at work, from 1. */
  readonly round: number | null;
  readonly seconds: number;
}

/** What desks tell each other. */
type Word = { readonly desk: "event"; readonly name: string; readonly event: ObjectEvent } | { readonly desk: "cancel"; readonly name: string };

export class Desk {
  readonly #sittings = new Map<string, Set<Sitting>>();
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #peers: Peers | undefined;

  constructor(peers?: Peers) {
    this.#peers = peers;
  }

  /** What another desk said (send). */
  heard(word: unknown): void {
    const { desk, name, ...rest } = word as Word;
    if (desk === "event") this.#tellHere(name, (rest as { event: ObjectEvent }).event);
  }

  /** What another desk asked. */
  async asked(word: unknown): Promise<Stopped[]> {
    const { desk, name } = word as Word;
    return desk === "cancel" ? this.#cancelHere(name) : [];
  }

  /** Tells `listener` of all work on the object (objectName), until the function that is returned is called. */
  watch(name: string, listener: Listener): () => void {
    const all = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, all.add(listener));
    const leave = this.#peers?.watch(name);
    return () => {
      leave?.();
      all.delete(listener);
      if (all.size === 0 && this.#listeners.get(name) === all) this.#listeners.delete(name);
    };
  }

  /** `far`: whether somebody at another server may want to know. */
  tell(name: string, event: ObjectEvent, far = true): void {
    this.#tellHere(name, event);
    if (far) this.#peers?.send({ desk: "event", name, event } satisfies Word);
  }

  #tellHere(name: string, event: ObjectEvent): void {
    for (const listener of this.#listeners.get(name) ?? []) listener(event);
  }

  /** Runs the work of one request on an object; its signal also comes from `cancel`. */
  async sit<T>(name: string, action: string, signal: AbortSignal, work: (signal: AbortSignal, watch: Watch) => Promise<T>): Promise<T> {
    const stop = new AbortController();
    let end: (whole: boolean) => void = () => {};
    const over = new Promise<boolean>((resolve) => {
      end = resolve;
    });
    const sitting: Sitting = { action, since: performance.now(), stop, over, state: "waiting", round: null };
    const all = this.#sittings.get(name) ?? new Set();
    this.#sittings.set(name, all.add(sitting));
    try {
      const far = (await this.#peers?.isWatched(name)) ?? false;
      const result = await work(AbortSignal.any([signal, stop.signal]), this.#watchOf(name, sitting, far));
      end(true);
      return result;
    } catch (error) {
      end(false);
      const known = error instanceof LimnetError;
      this.tell(name, { event: "error", data: { code: known ? error.code : "internal", detail: known ? error.message : "The log of the server says more." } });
      if (stop.signal.aborted) throw new LimnetError("engine_cancelled", "The work was stopped (POST /limnet/v1/cancel). Finished rounds are kept: send the clicks again to go on.", { cause: error });
      throw error;
    } finally {
      all.delete(sitting);
      if (all.size === 0 && this.#sittings.get(name) === all) this.#sittings.delete(name);
    }
  }

  /** Stops all work on the object and waits until it did. What came to its end all the same is not among the answer. */
  async cancel(name: string): Promise<Stopped[]> {
    const far = this.#peers?.ask({ desk: "cancel", name } satisfies Word) ?? [];
    return [...await this.#cancelHere(name), ...(await far).flatMap((answer) => (answer ?? []) as Stopped[])];
  }

  async #cancelHere(name: string): Promise<Stopped[]> {
    const asked = [...this.#sittings.get(name) ?? []].map((sitting) => {
      const { action, state, round, since } = sitting;
      sitting.stop.abort(new LimnetError("engine_cancelled", "The work was stopped."));
      return { over: sitting.over, what: { action, state, round, seconds: Math.round(performance.now() - since) / 1000 } };
    });
    const whole = await Promise.all(asked.map(({ over }) => over));
    return asked.filter((_, n) => !whole[n]).map(({ what }) => what);
  }

  #watchOf(name: string, sitting: Sitting, far: boolean): Watch {
    return {
      changes: far || this.#listeners.has(name),
      queued: (place, round) => {
        Object.assign(sitting, { state: place === 0 ? "running" : "waiting", round });
        this.tell(name, { event: "queued", data: { round, place } });
      },
      progress: (progress, round) => {
        Object.assign(sitting, { state: "running", round });
        const data = sliceOf(progress, round);
        if (data) this.tell(name, { event: "slice", data }, far);
      },
      done: (record, round) => this.tell(name, { event: "round", data: roundOf(record, round) }),
    };
  }
}

function sliceOf({ stage, slice, done, total, change }: Progress, round: number): Record<string, unknown> | null {
  return stage === "propagate" && slice !== undefined ? { round, index: slice, done, total, ...change } : null;
}

/** `kept`: slices on which the mask of before stays, whatever the slice events said. */
function roundOf({ slice, slices, seconds, propagated, model }: StateRecord, round: number): Record<string, unknown> {
  const kept = slices.filter(({ index, winner }) => winner === "previous" || winner === "locked" || (winner === "user" && index !== slice));
  const rounded = slices.map((one) => ({ ...one, probability: Math.round(one.probability * 1e4) / 1e4 }));
  return { round, slice, slices: rounded, kept: kept.map(({ index }) => index), seconds, propagated, model };
}
