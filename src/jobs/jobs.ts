/** A place in the queue: in process (local.ts), later also through Redis. */
export interface JobOptions {
  /** Aborted when the caller has no use for the result any more: a waiting job is dropped, a running one is told. */
  readonly signal?: AbortSignal;
  /** Whose job it is. Who has fewer jobs waiting goes first, so that one busy user does not keep the others out. */
  readonly key?: string;
}

export interface JobQueue {
  /** Runs `work` when its turn comes. Rejects with LimnetError busy where the queue is full, engine_cancelled where the signal came first. */
  run<T>(work: (signal: AbortSignal) => Promise<T>, options?: JobOptions): Promise<T>;
  /** Jobs that wait for their turn. */
  readonly waiting: number;
  /** Jobs at work. */
  readonly running: number;
  /** Tells all jobs to stop and waits until they did. */
  close(): Promise<void>;
}
