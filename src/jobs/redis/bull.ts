/**
 * Bull's queues on a connection that is shared. Bull keeps the jobs: their order, the lock of whoever works on one, and what becomes of
 * a job whose worker has died. Which queue is asked next is decided by the worker (worker.ts), so jobs are taken one by one with
 * `moveToActive` and `processJob`, on which Bull's own `process` is built; its types do not name them.
 */
import Bull, { type Job, type JobOptions, type Queue } from "bull";
import type { Urgency } from "../jobs.js";
import type { RedisLink } from "./link.js";

/** What travels: paths are packed (JobCodec), nobody is named. */
export interface JobData {
  readonly job: unknown;
  readonly urgency: Urgency;
  /** Number of fair.ts. */
  readonly turn: number;
  /** Who waits for the answer. */
  readonly node: string;
  readonly about?: string;
  readonly requestId?: string;
  readonly progress: boolean;
}

export interface JobQueueOnRedis extends Queue<JobData> {
  handlers: Record<string, (job: Job<JobData>) => Promise<unknown>>;
  /** The next job that waits, locked for us; null where none does. Does not wait. */
  moveToActive(): Promise<Job<JobData> | null>;
  /** Runs the handler, keeps the lock until it is done, and takes the job off the list. */
  processJob(job: Job<JobData>, notFetch: true): Promise<unknown>;
  /** Jobs whose worker has died wait again. */
  moveUnlockedJobsToWait(): Promise<unknown>;
}

export interface BullTimes {
  /** A worker that does not renew its lock for so long is taken for dead. */
  readonly lockMs: number;
  readonly stalledMs: number;
}

export const usualTimes: BullTimes = { lockMs: 6000, stalledMs: 2000 };

/** The lists: one per urgency for all workers, and one per urgency for each worker (jobs that it has warm). */
export function openQueue(link: RedisLink, name: string, { lockMs, stalledMs }: BullTimes = usualTimes): JobQueueOnRedis {
  const queue = new Bull<JobData>(name, {
    prefix: link.space,
    createClient: () => link.client,
    skipVersionCheck: true,
    settings: { lockDuration: lockMs, lockRenewTime: lockMs / 4, stalledInterval: stalledMs, maxStalledCount: 2 },
  } as Bull.QueueOptions);
  queue.on("error", () => {});
  return queue as unknown as JobQueueOnRedis;
}

/** Lower turns first; Bull's 0 would mean "no order". A worker that leaves puts its job back: that is what attempts are for. */
export function orderOf(id: string, turn: number): JobOptions {
  return { jobId: id, priority: turn + 1, attempts: 5, removeOnComplete: true, removeOnFail: true };
}
