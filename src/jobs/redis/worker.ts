/** A worker: takes jobs off the lists while it is free, runs them, and says so. */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { Job } from "bull";
import { LimnetError } from "../../errors.js";
import { urgencies, type Urgency, type Work } from "../jobs.js";
import { type BullTimes, type JobData, type JobQueueOnRedis, openQueue } from "./bull.js";
import { serveTurn } from "./fair.js";
import { JobHandler, putBack } from "./handler.js";
import type { LinkLog, RedisLink } from "./link.js";
import { aliveMs, channels, heartbeatMs, type JobCodec, ownName, sharedName, type WorkerState } from "./messages.js";

export interface WorkerOptions<Job, Result, Progress> {
  readonly link: RedisLink;
  readonly codec: JobCodec<Job, Result>;
  readonly work: Work<Job, Result, Progress>;
  readonly log?: LinkLog;
  readonly times?: BullTimes;
}

/** As many images as it says it has in memory. */
const warmCount = 8;
/** A worker that is at something else lets idle ones go first. */
const politenessMs = 20;

interface Lane {
  /** What is warm here, then what is anybody's. */
  readonly queues: readonly JobQueueOnRedis[];
  busy: boolean;
  /** Somebody called while it was being looked after. */
  called: boolean;
}

export class RedisWorker<Job_, Result, Progress = unknown> {
  readonly id = randomUUID().slice(0, 8);
  readonly #options: WorkerOptions<Job_, Result, Progress>;
  readonly #link: RedisLink;
  readonly #lanes: ReadonlyMap<Urgency, Lane>;
  readonly #handler: JobHandler<Job_, Result, Progress>;
  readonly #running = new Map<string, { readonly abort: AbortController; readonly done: Promise<unknown> }>();
  readonly #warm: string[] = [];
  readonly #timers: NodeJS.Timeout[] = [];
  #closing = false;

  constructor(options: WorkerOptions<Job_, Result, Progress>) {
    this.#options = options;
    const { link, times } = options;
    this.#link = link;
    this.#handler = new JobHandler({ ...options, worker: this.id, done: (about) => this.#remember(about) });
    this.#lanes = new Map(urgencies.map((urgency) => {
      const queues = [openQueue(link, ownName(urgency, this.id), times), openQueue(link, sharedName(urgency), times)];
      // The entry of a running job is made right after its handler has been called.
      for (const queue of queues) queue.handlers.__default__ = (job) => Promise.resolve().then(() => this.#handler.handle(job, this.#running.get(String(job.id))?.abort.signal));
      return [urgency, { queues, busy: false, called: false }];
    }));
  }

  /** Jobs at work. */
  get running(): number {
    return this.#running.size;
  }

  start(): void {
    const { link } = this.#options;
    link.subscribe(channels.work, () => this.#look());
    link.subscribe(channels.cancel, (id) => {
      this.#running.get(String(id))?.abort.abort(new LimnetError("engine_cancelled", "The job was cancelled before it was done."));
    });
    link.onReady(() => void this.#beat());
    const every = (milliseconds: number, what: () => void) => this.#timers.push(setInterval(what, milliseconds));
    every(heartbeatMs, () => void this.#beat());
    every(1000, () => this.#look());
    every(this.#options.times?.stalledMs ?? 2000, () => {
      if (link.ready) for (const { queues } of this.#lanes.values()) void queues[1].moveUnlockedJobsToWait();
    });
    void this.#beat();
  }

  /** Takes nothing more; what runs may end within `patienceMs`, then it is put back for another worker. */
  async close(patienceMs = 10_000): Promise<void> {
    this.#closing = true;
    for (const timer of this.#timers) clearInterval(timer);
    const beat = setInterval(() => void this.#beat(), heartbeatMs);
    const running = [...this.#running.values()];
    await Promise.race([Promise.all(running.map(({ done }) => done)), sleep(patienceMs, undefined, { ref: false })]);
    for (const { abort } of this.#running.values()) abort.abort(putBack);
    await Promise.race([Promise.all([...this.#running.values()].map(({ done }) => done)), sleep(2000, undefined, { ref: false })]);
    clearInterval(beat);
    if (!this.#link.ready) return;
    await this.#link.client.multi().del(this.#link.key("worker", this.id)).srem(this.#link.key("workers"), this.id).exec().catch(() => {});
    await this.#link.publish(channels.work, this.id).catch(() => {});
  }

  /** Says that it is there. */
  async #beat(): Promise<void> {
    if (!this.#link.ready) return;
    const busy = [...this.#lanes].filter(([, lane]) => lane.busy).map(([urgency]) => urgency);
    const state: WorkerState = { id: this.id, host: hostname(), pid: process.pid, busy, warm: this.#warm };
    const key = this.#link.key("worker", this.id);
    await this.#link.client.multi().set(key, JSON.stringify(state), "PX", aliveMs).sadd(this.#link.key("workers"), this.id).exec().catch(() => {});
    this.#look();
  }

  /** Takes a job in every lane that is free. */
  #look(): void {
    if (this.#closing || !this.#link.ready) return;
    for (const [urgency, lane] of this.#lanes) {
      lane.called = true;
      if (!lane.busy) void this.#serve(urgency, lane);
    }
  }

  async #serve(urgency: Urgency, lane: Lane): Promise<void> {
    lane.busy = true;
    try {
      if (this.#running.size > 0) await sleep(politenessMs);
      while (lane.called && !this.#closing) {
        lane.called = false;
        for (const queue of lane.queues) {
          const job = await queue.moveToActive();
          if (!job) continue;
          lane.called = true;
          await this.#run(queue, job, urgency);
          break;
        }
      }
    } catch (error) {
      // Redis went away in between; the next look tries again.
      this.#options.log?.warn("no job could be taken", { error: (error as Error).message });
    } finally {
      lane.busy = false;
    }
  }

  async #run(queue: JobQueueOnRedis, job: Job<JobData>, urgency: Urgency): Promise<void> {
    const abort = new AbortController();
    const done = queue.processJob(job, true).catch((error: Error) => {
      // The job has been taken off the list meanwhile: by its server, or because Redis lost it. Its outcome has been told.
      this.#options.log?.warn("a job could not be closed", { job: String(job.id), error: error.message });
    });
    this.#running.set(String(job.id), { abort, done });
    void this.#beat();
    await serveTurn(this.#link, urgency, job.data.turn).catch(() => {});
    await done;
    this.#running.delete(String(job.id));
    await this.#beat();
  }

  #remember(about: string): void {
    const known = this.#warm.indexOf(about);
    if (known >= 0) this.#warm.splice(known, 1);
    this.#warm.push(about);
    if (this.#warm.length > warmCount) this.#warm.shift();
  }
}
