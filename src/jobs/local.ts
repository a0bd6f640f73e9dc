/** The queue of one process: a lane per urgency, owners take turns in each. */
import { setMaxListeners } from "node:events";
import PQueue from "p-queue";
import { LimnetError } from "../errors.js";
import { type JobOptions, type JobQueue, type QueueObserver, urgencies, type Urgency, type Work } from "./jobs.js";
import { FairTurns } from "./turns.js";

export interface LocalQueueOptions {
  /** Jobs at work at once in each lane. One engine takes all cores, hence 1. */
  readonly concurrency?: number;
  /** Jobs that may wait, all lanes together; one more is refused. */
  readonly maxWaiting?: number;
  readonly observer?: QueueObserver;
}

class Lane {
  readonly queue: PQueue;
  readonly turns = new FairTurns();
  /** Numbers of the jobs that wait. */
  readonly waiting = new Set<{ readonly turn: number }>();
  running = 0;

  constructor(concurrency: number) {
    this.queue = new PQueue({ concurrency });
  }
}

export class LocalQueue<Job, Result, Progress = unknown> implements JobQueue<Job, Result, Progress> {
  readonly #work: Work<Job, Result, Progress>;
  readonly #lanes: ReadonlyMap<Urgency, Lane>;
  readonly #maxWaiting: number;
  readonly #observer?: QueueObserver;
  readonly #closing = new AbortController();

  constructor(work: Work<Job, Result, Progress>, options: LocalQueueOptions = {}) {
    this.#work = work;
    // Every job without a signal of its own listens.
    setMaxListeners(0, this.#closing.signal);
    this.#lanes = new Map(urgencies.map((urgency) => [urgency, new Lane(options.concurrency ?? 1)]));
    this.#maxWaiting = options.maxWaiting ?? 64;
    this.#observer = options.observer;
  }

  waiting(urgency?: Urgency): number {
    return this.#sum(urgency, (lane) => lane.waiting.size);
  }

  running(urgency?: Urgency): number {
    return this.#sum(urgency, (lane) => lane.running);
  }

  async check(): Promise<void> {}

  async run(job: Job, options: JobOptions<Progress> = {}): Promise<Result> {
    const signal = options.signal ? AbortSignal.any([options.signal, this.#closing.signal]) : this.#closing.signal;
    if (this.#closing.signal.aborted) throw closing();
    if (signal.aborted) throw cancelled();
    const waiting = this.waiting();
    if (waiting >= this.#maxWaiting) throw busy(waiting);
    const { urgency = "round", key = "" } = options;
    const lane = this.#lanes.get(urgency)!;
    const turn = lane.turns.take(key);
    const start = performance.now();
    let began = NaN;
    let outcome = "done";
    let result: Result | undefined;
    try {
      result = await this.#place(lane, turn, signal, options, () => {
        began = performance.now();
        return this.#work(job, { signal, urgency, requestId: options.requestId, onProgress: options.onProgress });
      });
      return result;
    } catch (cause) {
      const stopped = this.#closing.signal.aborted && cause instanceof LimnetError && cause.code === "engine_cancelled";
      const error = stopped ? closing() : cause;
      outcome = error instanceof LimnetError ? error.code : "failed";
      throw error;
    } finally {
      lane.turns.leave(key);
      const end = performance.now();
      if (Number.isNaN(began)) began = end;
      this.#observer?.finished({ urgency, waited: (began - start) / 1000, worked: (end - began) / 1000, outcome, result });
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([...this.#lanes.values()].map((lane) => lane.queue.onIdle()));
  }

  /**
   * p-queue is not given the signal: it would free the place of a running job at once, while that job is still on its way to
   * the next point where it can stop.
   */
  #place(lane: Lane, turn: number, signal: AbortSignal, { giveWay, onPlace }: JobOptions<Progress>, work: () => Promise<Result>): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      const mine = { turn };
      const leave = () => {
        lane.waiting.delete(mine);
        signal.removeEventListener("abort", giveUp);
        giveWay?.removeEventListener("abort", replaced);
      };
      const giveUp = () => {
        leave();
        reject(this.#closing.signal.aborted ? closing() : cancelled());
      };
      const replaced = () => {
        leave();
        reject(giveWay!.reason);
      };
      const begin = async () => {
        if (!lane.waiting.has(mine)) return;
        leave();
        lane.turns.serve(turn);
        lane.running++;
        onPlace?.(0);
        try {
          resolve(await work());
        } catch (error) {
          reject(error);
        } finally {
          lane.running--;
        }
      };
      const before = [...lane.waiting].filter((other) => other.turn <= turn).length + lane.running;
      if (before > 0 && giveWay?.aborted) return reject(giveWay.reason);
      lane.waiting.add(mine);
      signal.addEventListener("abort", giveUp, { once: true });
      giveWay?.addEventListener("abort", replaced, { once: true });
      void lane.queue.add(begin, { priority: -turn });
      if (before > 0) onPlace?.(before);
    });
  }

  #sum(urgency: Urgency | undefined, count: (lane: Lane) => number): number {
    if (urgency !== undefined) return count(this.#lanes.get(urgency)!);
    return [...this.#lanes.values()].reduce((sum, lane) => sum + count(lane), 0);
  }
}

export function cancelled(): LimnetError {
  return new LimnetError("engine_cancelled", "The request was cancelled before its turn came.");
}

export function busy(waiting: number): LimnetError {
  return new LimnetError("busy", `The server is busy: ${waiting} requests are waiting (LIMNET_MAX_WAITING). Try again in a moment.`);
}

export function closing(): LimnetError {
  return new LimnetError("closing", "The server is closing. Send the clicks again when it is back: finished rounds are kept.");
}
