/** The queue as a server sees it: it gives jobs to Redis and waits for what the workers answer. */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { LimnetError } from "../../errors.js";
import type { JobOptions, JobQueue, QueueObserver, Urgency } from "../jobs.js";
import { busy, cancelled, closing } from "../local.js";
import { type BullTimes, type JobData, type JobQueueOnRedis, openQueue, orderOf } from "./bull.js";
import { takeTurn } from "./fair.js";
import { gone, type RedisLink } from "./link.js";
import { aliveMs, type Answer, channels, errorOf, heartbeatMs, type JobCodec, keepMs, liveWorkers, ownName, sharedName } from "./messages.js";
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
  readonly #queues = new Map<string, JobQueueOnRedis>();
  readonly #pending = new Map<string, Pending>();
  readonly #closing = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #grace: NodeJS.Timeout | null = null;

  constructor(options: RedisQueueOptions<Job, Result>) {
    this.#options = options;
    const { link } = options;
    this.#link = link;
    link.subscribe(channels.node(this.#id), (answer) => this.#hear(answer as Answer));
    link.onReady(() => {
      if (this.#grace) clearTimeout(this.#grace);
      this.#grace = null;
      void this.#reconcile(true);
    });
    link.onGone(() => this.#startGrace());
    this.#timer = setInterval(() => void this.#reconcile(false), heartbeatMs);
    if (link.ready) void this.#reconcile(true);
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
      const waiting = await this.#queue(sharedName(urgency)).getWaitingCount();
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
      await this.#place(pending);
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

  #queue(name: string): JobQueueOnRedis {
    const known = this.#queues.get(name) ?? openQueue(this.#link, name, this.#options.times);
    this.#queues.set(name, known);
    return known;
  }

  #count(urgency: Urgency | undefined, which: (job: Pending) => boolean): number {
    return [...this.#pending.values()].filter((job) => (urgency === undefined || job.data.urgency === urgency) && which(job)).length;
  }

  /** To the worker that has the image, for a short while; where others wait too, everybody takes turns instead. */
  async #place(pending: Pending): Promise<void> {
    const { urgency, about } = pending.data;
    const { warmWaitMs = 300 } = this.#options;
    try {
      const workers = about === undefined ? [] : await liveWorkers(this.#link);
      const warm = workers.length > 1 ? workers.find((worker) => worker.warm.includes(about!)) : undefined;
      const waiting = await this.#queue(sharedName(urgency)).getWaitingCount();
      if (warm === undefined || waiting > 0) return await this.#add(pending, sharedName(urgency));
      await this.#add(pending, ownName(urgency, warm.id));
      const timer = setTimeout(() => void this.#move(pending), warmWaitMs);
      void pending.answer.catch(() => {}).finally(() => clearTimeout(timer));
    } catch (cause) {
      if (this.#link.ready) return pending.fail(gone(cause));
      // Redis may be back within the grace; then the job is found missing, and added.
      pending.list = sharedName(urgency);
      this.#startGrace();
    }
  }

  async #add(pending: Pending, name: string): Promise<void> {
    if (pending.settled) return;
    pending.list = name;
    const queue = this.#queue(name);
    await queue.add(pending.data, orderOf(pending.id, pending.data.turn));
    if (pending.withdrawn !== null && await this.#remove(pending)) return pending.fail(pending.withdrawn);
    if (!pending.began) pending.placed(await queue.getWaitingCount() - 1 + await queue.getActiveCount());
    await this.#link.publish(channels.work, pending.id);
  }

  /** To the list of all workers, where it has not begun. */
  async #move(pending: Pending): Promise<void> {
    if (pending.began || pending.settled) return;
    try {
      if (await this.#remove(pending)) await this.#add(pending, sharedName(pending.data.urgency));
    } catch {
      // The next reconciliation sees to it.
    }
  }

  /** False where a worker has it. */
  async #remove({ id, list }: Pending): Promise<boolean> {
    const job = await this.#queue(list).getJob(id);
    if (job === null) return false;
    return job.remove().then(() => true, () => false);
  }

  /** Off the list; `force`: whoever works on it is told to stop, too, and is waited for a little. */
  async #withdraw(pending: Pending, why: Error, force = true): Promise<void> {
    try {
      if (!pending.began && await this.#remove(pending)) return pending.fail(why);
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

  /**
   * Looks after what messages do not tell: outcomes that were missed, jobs whose worker is gone, jobs that Redis has lost. `fresh`: the
   * connection has just come about, Redis may have been started anew.
   */
  async #reconcile(fresh: boolean): Promise<void> {
    if (!this.#link.ready) return;
    try {
      await this.#link.client.set(this.#link.key("node", this.#id), "1", "PX", aliveMs * 2);
      const jobs = [...this.#pending.values()].filter(({ list }) => list !== "");
      if (jobs.length === 0) return;
      const outcomes = await this.#link.client.mget(jobs.map(({ id }) => this.#link.key("outcome", id)));
      const alive = new Set((await liveWorkers(this.#link)).map(({ id }) => id));
      for (const [n, job] of jobs.entries()) {
        const outcome = outcomes[n];
        if (outcome !== null && outcome !== undefined) this.#hear(JSON.parse(outcome) as Answer);
        else if (!job.settled) await this.#lookAfter(job, fresh, alive);
      }
    } catch {
      // Gone again; the next time comes with the connection.
    }
  }

  async #lookAfter(job: Pending, fresh: boolean, alive: ReadonlySet<string>): Promise<void> {
    const shared = sharedName(job.data.urgency);
    const listed = await this.#queue(job.list).getJob(job.id);
    if (listed !== null) {
      job.missed = 0;
      const owner = job.list === shared ? null : job.list.slice(shared.length + 1);
      // Nobody else looks at the list of a worker that is gone. Its lock may take a little longer to go: then the next time.
      if (owner !== null && !alive.has(owner) && await this.#remove(job)) await this.#add(job, shared);
      return;
    }
    // Neither listed nor answered: between the two there is a moment, hence twice.
    if (fresh) return this.#add(job, shared);
    if (++job.missed < 3) return;
    job.fail(new LimnetError("engine_died", "The workers that took this job ended before it was done. Send the clicks once more."));
  }
}

function noWorker(): LimnetError {
  return new LimnetError("queue_gone", "No worker is at work for this server, so nothing is computed now. Start one with `limnet worker`, with the same studies, state folder and models; images and labels are served meanwhile.", { retryAfter: 10 });
}

