/** The queue of one process. */
import PQueue from "p-queue";
import { LimnetError } from "../errors.js";
import type { JobOptions, JobQueue } from "./jobs.js";

export interface LocalQueueOptions {
  /** Jobs at work at once. One engine takes all cores, hence 1. */
  readonly concurrency?: number;
  /** Jobs that may wait; one more is refused. */
  readonly maxWaiting?: number;
}

export class LocalQueue implements JobQueue {
  readonly #queue: PQueue;
  readonly #maxWaiting: number;
  readonly #closing = new AbortController();
  /** Unfinished jobs per key. */
  readonly #owned = new Map<string, number>();
  #waiting = 0;
  #running = 0;

  constructor(options: LocalQueueOptions = {}) {
    this.#queue = new PQueue({ concurrency: options.concurrency ?? 1 });
    this.#maxWaiting = options.maxWaiting ?? 64;
  }

  get waiting(): number {
    return this.#waiting;
  }

  get running(): number {
    return this.#running;
  }

  async run<T>(work: (signal: AbortSignal) => Promise<T>, options: JobOptions = {}): Promise<T> {
    const signal = options.signal ? AbortSignal.any([options.signal, this.#closing.signal]) : this.#closing.signal;
    if (signal.aborted) throw cancelled();
    if (this.#waiting >= this.#maxWaiting) {
      throw new LimnetError("busy", `The server is busy: ${this.#waiting} requests are waiting. Try again in a moment.`);
    }
    const key = options.key ?? "";
    const owned = this.#owned.get(key) ?? 0;
    this.#owned.set(key, owned + 1);
    this.#waiting++;
    try {
      return await this.#place(work, signal, -owned);
    } finally {
      const left = this.#owned.get(key)! - 1;
      if (left > 0) this.#owned.set(key, left);
      else this.#owned.delete(key);
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#queue.onIdle();
  }

  /**
   * p-queue is not given the signal: it would free the place of a running job at once, while that job is still on its way to
   * the next point where it can stop.
   */
  #place<T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal, priority: number): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let waits = true;
      const leave = () => {
        waits = false;
        this.#waiting--;
        signal.removeEventListener("abort", giveUp);
      };
      const giveUp = () => {
        leave();
        reject(cancelled());
      };
      signal.addEventListener("abort", giveUp, { once: true });
      const turn = async () => {
        if (!waits) return;
        leave();
        this.#running++;
        try {
          resolve(await work(signal));
        } catch (error) {
          reject(error);
        } finally {
          this.#running--;
        }
      };
      void this.#queue.add(turn, { priority });
    });
  }
}

function cancelled(): LimnetError {
  return new LimnetError("engine_cancelled", "The request was cancelled before its turn came.");
}
