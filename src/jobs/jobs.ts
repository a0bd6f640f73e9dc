/** A place in the queue: in process (local.ts), or through Redis (redis.ts). A job is plain JSON, so that it may cross machines. */

/**
 * How pressing a job is, the most pressing first: a click that is answered on its slice, a round that goes through the volume, work
 * that nobody sits in front of. Each kind has a lane of its own, so that a long one never keeps a short one from beginning; the
 * engine lets the more pressing of two go first, slice by slice (engine/turns.ts).
 */
export const urgencies = ["glance", "round", "batch"] as const;
export type Urgency = (typeof urgencies)[number];

export interface JobOptions<Progress = unknown> {
  /** Aborted when the caller has no use for the result any more: a waiting job is dropped, a running one is told. */
  readonly signal?: AbortSignal;
  /** Aborted when a newer job has taken the place of this one: drops it, with the reason of the signal, where it has to wait. */
  readonly giveWay?: AbortSignal;
  /** Whose job it is: owners take turns, so that one busy owner does not keep the others out. */
  readonly key?: string;
  /** Default "round". */
  readonly urgency?: Urgency;
  /** What the job works on, such as the digest of an image: it goes to where that is in memory already, if that is free soon. */
  readonly about?: string;
  /** For the logs of whoever runs the job. */
  readonly requestId?: string;
  /** Jobs of its lane that are before it, when it is given its place and when it begins (0). */
  readonly onPlace?: (before: number) => void;
  /** What the job reports on its way. */
  readonly onProgress?: (progress: Progress) => void;
}

/** How a job is run, wherever that is. */
export type Work<Job, Result, Progress = unknown> = (job: Job, options: RunOptions<Progress>) => Promise<Result>;

export interface RunOptions<Progress = unknown> {
  readonly signal: AbortSignal;
  readonly urgency: Urgency;
  readonly requestId?: string;
  readonly onProgress?: (progress: Progress) => void;
}

export interface JobQueue<Job, Result, Progress = unknown> {
  /**
   * Runs a job when its turn comes. Rejects with what the work throws; LimnetError busy where the queue is full, engine_cancelled where
   * the signal came first, queue_gone where nobody can be reached who would run it.
   */
  run(job: Job, options?: JobOptions<Progress>): Promise<Result>;
  /** Jobs that wait for their turn; of one kind where it is named. */
  waiting(urgency?: Urgency): number;
  /** Jobs at work. */
  running(urgency?: Urgency): number;
  /** Throws LimnetError queue_gone, with what to do, where a job given now would not be run. */
  check(): Promise<void>;
  /** Tells all jobs to stop and waits until they did. */
  close(): Promise<void>;
}

/** Told when a job has left the queue. Seconds; `outcome`: "done", or the code of the error; `result` where it was done. */
export interface QueueObserver {
  finished(job: { readonly urgency: Urgency; readonly waited: number; readonly worked: number; readonly outcome: string; readonly result?: unknown }): void;
}
