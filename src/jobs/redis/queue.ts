/** The queue as a server sees it: it gives jobs to Redis and waits for what the workers answer. */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { LimnetError } from "../../errors.js";
import type { JobOptions, JobQueue, QueueObserver, Urgency } from "../jobs.js";
import { busy, cancelled, closing } from "../local.js";
import type { BullTimes, JobData } from "./bull.js";
import { Caretaker } from "./caretaker.js";
import { takeTurn } from "./fair.js";
import { gone, type RedisLink } from "./link.js";
import { JobLists } from "./lists.js";
import { type Answer, channels, errorOf, heartbeatMs, type JobCodec, keepMs, liveWorkers, sharedName } from "./messages.js";
import { Pending } from "./pending.js";

export interface RedisQueueOptions<Job, Result> {
  readonly link: RedisLink;
  readonly codec: JobCodec<Job, Result>;
  /** Jobs that may wait in a lane, of all servers together. */
  readonly maxWaiting?: number;
  readonly observer?: QueueObserver;
  /** How long the worker that has an image warm may take to begin, before any other may. */
  readonly warmWaitMs?: number;
  /** How long a request outlives Redis: a restart goes by unnoticed. */
  readonly graceMs?: number;
  readonly times?: BullTimes;
}

export class RedisQueue<Job, Result, Progress = unknown> implements JobQueue<Job, Result, Progress> {
  readonly #options: RedisQueueOptions<Job, Result>;
  readonly #link: RedisLink;
  readonly #id = `${hostname()}-${randomUUID().slice(0, 8)}`;
  readonly #lists: JobLists;
  readonly #caretaker: Caretaker;
  readonly #pending = new Map<string, Pending>();
  readonly #closing = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #grace: NodeJS.Timeout | null = null;

  constructor(options: RedisQueueOptions<Job, Result>) {
    this.#options = options;
    const { link } = options;
    this.#link = link;
    this.#lists = new JobLists(options);
    this.#caretaker = new Caretaker({ link, lists: this.#lists, node: this.#id, pending: this.#pending, hear: (answer) => this.#hear(answer) });
    link.subscribe(channels.node(this.#id), (answer) => this.#hear(answer as Answer));
    link.onReady(() => {
      if (this.#grace) clearTimeout(this.#grace);
      this.#grace = null;
      void this.#caretaker.look(true);
    });
    link.onGone(() => this.#startGrace());
    this.#timer = setInterval(() => void this.#caretaker.look(false), heartbeatMs);
    if (link.ready) void this.#caretaker.look(true);
  }

  waiting(urgency?: Urgency): number {
    return this.#count(urgency, ({ began }) => !began);
  }

  running(urgency?: Urgency): number {
    return this.#count(urgency, ({ began }) => began);
  }

  async check(): Promise<void> {
    if (!this.#link.ready) throw gone();
    const workers = await liveWorkers(this.#link).catch((cause: unknown) => { throw gone(cause); });
    if (workers.length === 0) throw noWorker();
  }

  async run(job: Job, options: JobOptions<Progress> = {}): Promise<Result> {
    const { signal, urgency = "round", key = "", about, requestId, onProgress } = options;
    if (this.#closing.signal.aborted) throw closing();
    if (signal?.aborted) throw cancelled();
    await this.check();
    const { maxWaiting = 64 } = this.#options;
    let turn: number;
    try {
      const waiting = await this.#lists.waiting(urgency);
      if (waiting >= maxWaiting) throw busy(waiting);
      if (waiting > 0 && options.giveWay?.aborted) throw options.giveWay.reason;
      turn = await takeTurn(this.#link, urgency, key);
    } catch (cause) {
      throw cause instanceof LimnetError ? cause : gone(cause);
    }
    const data: JobData = {
      job: this.#options.codec.pack(job), urgency, turn, node: this.#id, about, requestId, progress: onProgress !== undefined,
    };
    const pending = new Pending(randomUUID(), data, options as JobOptions);
    this.#pending.set(pending.id, pending);
    const leave = () => void this.#withdraw(pending, cancelled());
    const giveWay = () => void this.#withdraw(pending, options.giveWay!.reason as Error, false);
    const close = () => void this.#withdraw(pending, closing());
    signal?.addEventListener("abort", leave, { once: true });
    options.giveWay?.addEventListener("abort", giveWay, { once: true });
    this.#closing.signal.addEventListener("abort", close, { once: true });
    let result: Result | undefined;
    try {
      await this.#lists.place(pending).catch((cause: unknown) => {
        if (this.#link.ready) return pending.fail(gone(cause));
        // Redis may be back within the grace; then the job is found missing, and added.
        pending.list = sharedName(urgency);
        this.#startGrace();
      });
      result = this.#options.codec.unpackResult(await pending.answer, job);
      return result;
    } finally {
      this.#pending.delete(pending.id);
      signal?.removeEventListener("abort", leave);
      options.giveWay?.removeEventListener("abort", giveWay);
      this.#closing.signal.removeEventListener("abort", close);
      this.#options.observer?.finished({ urgency, ...pending.figures(), result });
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#grace) clearTimeout(this.#grace);
    this.#closing.abort();
    await Promise.all([...this.#pending.values()].map(({ answer }) => answer.catch(() => {})));
    await this.#link.client.del(this.#link.key("node", this.#id)).catch(() => {});
    this.#link.close();
  }

  #startGrace(): void {
    this.#grace ??= setTimeout(() => {
      for (const job of this.#pending.values()) job.fail(gone());
    }, this.#options.graceMs ?? 4000);
  }

  #count(urgency: Urgency | undefined, which: (job: Pending) => boolean): number {
    return [...this.#pending.values()].filter((job) => (urgency === undefined || job.data.urgency === urgency) && which(job)).length;
  }

  /** Off the list; `force`: whoever works on it is told to stop, too, and is waited for a little. */
  async #withdraw(pending: Pending, why: Error, force = true): Promise<void> {
    try {
      if (!pending.began && await this.#lists.remove(pending)) return pending.fail(why);
      if (!pending.began) pending.withdrawn = why;
      if (!force) return;
      await this.#link.client.set(this.#link.key("cancelled", pending.id), "1", "PX", keepMs);
      await this.#link.publish(channels.cancel, pending.id);
      setTimeout(() => pending.fail(why), 5000).unref();
    } catch {
      pending.fail(why);
    }
  }

  #hear(answer: Answer): void {
    const pending = this.#pending.get(answer.id);
    if (pending === undefined) return;
    if (answer.type === "began") pending.begin(answer.worker);
    else if (answer.type === "progress") pending.progress(answer.progress);
    else if (answer.type === "done") pending.resolve(answer.result);
    else pending.fail(this.#closing.signal.aborted && answer.code === "engine_cancelled" ? closing() : errorOf(answer));
  }

}

function noWorker(): LimnetError {
  return new LimnetError("queue_gone", "No worker is at work for this server, so nothing is computed now. Start one with `limnet worker`, with the same studies, state folder and models; images and labels are served meanwhile.", { retryAfter: 10 });
}

