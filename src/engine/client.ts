/** The engine as the server holds it: a child process that may die, hang or be killed at any time without harm to the server. */
import { LimnetError } from "../errors.js";
import { EngineChild, type EngineLog } from "./child-process.js";
import type { Place } from "./device.js";
import type { OnnxOptions } from "./onnx.js";
import type { Engine, SegmentJob, SegmentOptions, SegmentResult, Urgency } from "./protocol.js";

export interface EngineOptions {
  readonly modelsDir: string;
  /** Name in the manifest; default the manifest's own choice. */
  readonly model?: string;
  /** Threads of a run; default: all cores. */
  readonly threads?: number;
  /** Default "auto" (onnx.ts). */
  readonly device?: OnnxOptions["device"];
  /** Default "auto" (onnx.ts). */
  readonly precision?: OnnxOptions["precision"];
  readonly logger?: EngineLog;
  /** A job that is at work for longer (waiting for more pressing ones does not count) is ended with its process; default ten minutes. */
  readonly deadlineMs?: number;
  /** How long a cancelled job may go on before its process is killed; default five seconds. */
  readonly cancelMs?: number;
  readonly cacheBytes?: number;
  /** Memory of server and engine together (budget.ts); what does not fit is refused. Default: not looked at. */
  readonly memoryBytes?: number;
}

interface Task {
  readonly job: SegmentJob;
  readonly options: SegmentOptions;
  readonly resolve: (result: SegmentResult) => void;
  readonly reject: (error: Error) => void;
}

const cancelled = () => new LimnetError("engine_cancelled", "The job was cancelled before it was done.");
const closed = () => new LimnetError("closing", "The server is closing. Send the clicks again when it is back: finished rounds are kept.");

export class EngineProcess implements Engine {
  readonly #options: EngineOptions;
  /** One after the other of each urgency; of different ones at the same time, the child lets the more pressing go first. */
  readonly #lanes: Record<Urgency, { readonly waiting: Task[]; busy: boolean }> = {
    glance: { waiting: [], busy: false }, round: { waiting: [], busy: false }, batch: { waiting: [], busy: false },
  };
  #child: Promise<EngineChild> | null = null;
  readonly #closing = new AbortController();
  /** Deaths since the last job that was answered: the next start waits longer. */
  #deaths = 0;
  #restart: NodeJS.Timeout | null = null;
  #device: Place | undefined;

  constructor(options: EngineOptions) {
    this.#options = options;
  }

  /** Of the last child that started. */
  get device(): Place | undefined {
    return this.#device;
  }

  /** Process id of the running child; for tests and for the status page. */
  async pid(): Promise<number | undefined> {
    return (await this.#child)?.pid;
  }

  /** Resolves when the child has checked its models and answered. Throws bad_model, engine_died. */
  async start(): Promise<void> {
    await this.#alive();
  }

  segment(job: SegmentJob, options: SegmentOptions = {}): Promise<SegmentResult> {
    const { signal, urgency = "round" } = options;
    const { waiting } = this.#lanes[urgency];
    return new Promise((resolve, reject) => {
      if (this.#closing.signal.aborted) return reject(closed());
      if (signal?.aborted) return reject(cancelled());
      const leave = () => {
        const at = waiting.indexOf(task);
        if (at < 0) return;
        waiting.splice(at, 1);
        reject(cancelled());
      };
      const settled = () => signal?.removeEventListener("abort", leave);
      const task: Task = {
        job, options,
        resolve: (result) => { settled(); resolve(result); },
        reject: (error) => { settled(); reject(error); },
      };
      signal?.addEventListener("abort", leave, { once: true });
      waiting.push(task);
      void this.#work(urgency);
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    if (this.#restart !== null) clearTimeout(this.#restart);
    for (const { waiting } of Object.values(this.#lanes)) for (const task of waiting.splice(0)) task.reject(closed());
    const child = await this.#child?.catch(() => null);
    this.#child = null;
    await child?.close();
  }

  /** Takes a lane job by job. */
  async #work(urgency: Urgency): Promise<void> {
    const lane = this.#lanes[urgency];
    if (lane.busy) return;
    lane.busy = true;
    for (let task = lane.waiting.shift(); task !== undefined; task = lane.waiting.shift()) {
      try {
        const child = await this.#alive();
        const { signal, onProgress } = task.options;
        if (signal?.aborted) throw cancelled();
        const { deadlineMs = 600_000, cancelMs = 5000 } = this.#options;
        task.resolve(await child.run(task.job, { deadlineMs, cancelMs, urgency, signal, onProgress }));
        this.#deaths = 0;
      } catch (error) {
        // The child has made room for a more pressing job: this one comes again, and waits there.
        if (error instanceof LimnetError && error.code === "preempted" && !this.#closing.signal.aborted) {
          lane.waiting.unshift(task);
          continue;
        }
        task.reject(this.#closing.signal.aborted ? closed() : (error as Error));
      }
    }
    lane.busy = false;
  }

  /** The child, started when there is none. */
  #alive(): Promise<EngineChild> {
    if (this.#closing.signal.aborted) return Promise.reject(closed());
    if (this.#child !== null) return this.#child;
    if (this.#restart !== null) clearTimeout(this.#restart);
    this.#restart = null;
    const wait = this.#deaths < 2 ? 0 : Math.min(10_000, 100 * 2 ** this.#deaths);
    const { modelsDir, model, threads, device, precision, cacheBytes, memoryBytes, logger } = this.#options;
    const starting = EngineChild.start({ modelsDir, model, threads, device, precision, cacheBytes, memoryBytes }, { logger, wait, signal: this.#closing.signal });
    this.#child = starting;
    starting.then(
      (child) => {
        this.#device = child.device;
        return child.ended.then((how) => this.#lost(starting, how));
      },
      () => this.#forget(starting),
    );
    return starting;
  }

  #forget(child: Promise<EngineChild>): void {
    if (this.#child !== child) return;
    this.#child = null;
    this.#deaths++;
  }

  /** A child that worked has ended unasked: the next one is made ready before it is needed. */
  #lost(child: Promise<EngineChild>, how: string): void {
    this.#forget(child);
    if (this.#closing.signal.aborted) return;
    this.#options.logger?.warn("the engine process ended", { how, deaths: this.#deaths });
    if (this.#child !== null) return;
    this.#restart = setTimeout(() => this.#alive().catch(() => {}), 50);
    this.#restart.unref();
  }
}
