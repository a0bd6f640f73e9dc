/**
 * Background tasks of one kind (protocol 1.6): one after the other, in the order in which they were given. The history is kept in memory,
 * the newest tasks only. A task that was given counts as running: a client that asks at once is not told that nothing runs.
 */
import { randomUUID } from "node:crypto";
import { LimnetError } from "../errors.js";

export type TaskStatus = "SUBMITTED" | "RUNNING" | "DONE" | "ERROR" | "STOPPED";

/** As clients get it. */
export interface TaskObject {
  readonly id: string;
  readonly status: TaskStatus;
  readonly request: Readonly<Record<string, unknown>>;
  /** Local time, "YYYY-MM-DD HH:MM:SS". */
  readonly start_ts: string;
  readonly end_ts?: string;
  /** The last lines of what it said; 3D Slicer shows the last one of a stopped task. */
  readonly details?: readonly string[];
  /** Our own: what is done so far, as the work reports it. */
  readonly progress?: Readonly<Record<string, unknown>>;
}

/** What a task has while it works. */
export interface TaskDesk {
  readonly signal: AbortSignal;
  /** A line for people. */
  say(line: string): void;
  /** Numbers and lists for programs; replaces what was reported before. */
  report(progress: Record<string, unknown>): void;
}

export type Work<T> = (desk: TaskDesk) => Promise<T>;

/** A task that was given. `result` rejects with LimnetError task_stopped where it was stopped, else with what the work throws. */
export interface GivenTask<T> {
  readonly object: TaskObject;
  readonly result: Promise<T>;
}

const linesKept = 20;
const tasksKept = 100;

interface Entry {
  object: TaskObject;
  readonly stop: AbortController;
  lines: string[];
}

export class TaskFamily {
  /** As the protocol spells it in sentences: "Train", "Batch_infer", "Scoring". */
  readonly kind: string;
  readonly #now: () => Date;
  /** Oldest first. */
  #entries: Entry[] = [];
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(kind: string, now: () => Date = () => new Date()) {
    this.kind = kind;
    this.#now = now;
  }

  /** Whether a task runs or waits. */
  get busy(): boolean {
    return this.#entries.some(isOpen);
  }

  /** Gives a task. Throws LimnetError task_running (429) where one runs or waits and `enqueue` is false. */
  give<T>(request: Record<string, unknown>, work: Work<T>, { enqueue = false }: { enqueue?: boolean } = {}): GivenTask<T> {
    if (this.#closed) throw new LimnetError("busy", "The server is closing. Send the request again when it is back.");
    if (this.busy && !enqueue) throw new LimnetError("task_running", `++++++++++ ${this.kind} Task is Already Running`);
    const object: TaskObject = { id: randomUUID(), status: "SUBMITTED", request, start_ts: localTime(this.#now()) };
    const entry: Entry = { object, stop: new AbortController(), lines: [] };
    this.#entries.push(entry);
    this.#forgetOld();
    const result = this.#last.then(() => this.#run(entry, work));
    this.#last = result.catch(() => {});
    return { object, result };
  }

  /** Newest first is what clients mean by "the" task; null where there never was one. */
  newest(): TaskObject | null {
    return this.#entries.at(-1)?.object ?? null;
  }

  /** The task at work, else the next that waits. */
  running(): TaskObject | null {
    return (this.#entries.find(({ object }) => object.status === "RUNNING") ?? this.#entries.find(isOpen))?.object ?? null;
  }

  all(): TaskObject[] {
    return this.#entries.map(({ object }) => object);
  }

  /** Stops what runs and what waits; answers the one that ran, null where there was nothing to stop. */
  stop(): TaskObject | null {
    const open = this.#entries.filter(isOpen);
    for (const entry of open) this.#stopEntry(entry);
    return open[0]?.object ?? null;
  }

  /** Stops one task, where it is not over. */
  stopTask(id: string): void {
    const entry = this.#entries.find(({ object }) => object.id === id);
    if (entry && isOpen(entry)) this.#stopEntry(entry);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.stop();
    await this.#last;
  }

  async #run<T>(entry: Entry, work: Work<T>): Promise<T> {
    const { signal } = entry.stop;
    if (signal.aborted) throw stopped();
    change(entry, { status: "RUNNING", details: [], request: { ...entry.object.request, gpus: "all" } });
    const say = (line: string) => this.#say(entry, line);
    const report = (progress: Record<string, unknown>) => change(entry, { progress });
    try {
      const result = await work({ signal, say, report });
      if (signal.aborted) throw stopped();
      change(entry, { status: "DONE", end_ts: localTime(this.#now()) });
      return result;
    } catch (error) {
      if (signal.aborted) throw stopped();
      say(error instanceof LimnetError ? error.message : "The task failed. The log of the server says more.");
      change(entry, { status: "ERROR", end_ts: localTime(this.#now()) });
      throw error;
    }
  }

  #stopEntry(entry: Entry): void {
    this.#say(entry, "Stopped.");
    change(entry, { status: "STOPPED", end_ts: localTime(this.#now()) });
    entry.stop.abort(stopped());
  }

  #say(entry: Entry, line: string): void {
    entry.lines = [...entry.lines, line].slice(-linesKept);
    change(entry, { details: entry.lines });
  }

  #forgetOld(): void {
    const over = this.#entries.filter((entry) => !isOpen(entry));
    const old = new Set(over.slice(0, Math.max(0, this.#entries.length - tasksKept)));
    this.#entries = this.#entries.filter((entry) => !old.has(entry));
  }
}

function isOpen({ object: { status } }: Entry): boolean {
  return status === "SUBMITTED" || status === "RUNNING";
}

/** What is over stays as it is: work that goes on for a moment after it was stopped changes nothing any more. */
function change(entry: Entry, values: Partial<TaskObject>): void {
  if (isOpen(entry)) entry.object = { ...entry.object, ...values };
}

function stopped(): LimnetError {
  return new LimnetError("task_stopped", "The task was stopped.");
}

function localTime(date: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
