/** One life of the engine's process: start, handshake, jobs, end. A new life is client.ts's business. */
import { type ChildProcess, fork } from "node:child_process";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { catalogue, type ErrorCode, LimnetError } from "../errors.js";
import type { ChildOptions } from "./child.js";
import type { Place } from "./device.js";
import type { EngineCommand, EngineEvent, Progress, SegmentJob, SegmentResult, Urgency } from "./protocol.js";

/** A winston logger fits. */
export interface EngineLog {
  warn(message: string, meta?: Record<string, unknown>): unknown;
}

export interface RunOptions {
  readonly deadlineMs: number;
  readonly cancelMs: number;
  readonly urgency: Urgency;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

export interface StartOptions {
  readonly logger?: EngineLog;
  /** Milliseconds to wait before; `signal` ends the wait. */
  readonly wait?: number;
  readonly signal?: AbortSignal;
}

const startMs = 60_000;
const closeMs = 2000;

/** The entry beside this file: TypeScript under tsx or vitest, JavaScript in dist. */
function entry(): { path: string; execArgv: string[] } {
  const typescript = import.meta.url.endsWith(".ts");
  const path = fileURLToPath(new URL(typescript ? "./child.ts" : "./child.js", import.meta.url));
  // The child lets go of what starting took, see child.ts.
  if (!typescript) return { path, execArgv: ["--expose-gc"] };
  return { path, execArgv: ["--expose-gc", "--import", pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href] };
}

const toError = (code: string, message: string) =>
  new LimnetError(Object.hasOwn(catalogue, code) ? (code as ErrorCode) : "engine_failed", message);

/** Rings after so many milliseconds of running time. Runs from the start. */
class Stopwatch {
  readonly #ring: () => void;
  #left: number;
  #since = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(milliseconds: number, ring: () => void) {
    this.#left = milliseconds;
    this.#ring = ring;
    this.start();
  }

  start(): void {
    this.stop();
    this.#since = performance.now();
    this.#timer = setTimeout(this.#ring, Math.max(0, this.#left));
  }

  stop(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#left -= performance.now() - this.#since;
  }
}

export class EngineChild {
  /** How the process ended; never rejects. */
  readonly ended: Promise<string>;
  readonly #process: ChildProcess;
  #device: Place = "cpu";
  #lastId = 0;

  private constructor(options: ChildOptions, logger: EngineLog | undefined) {
    const { path, execArgv } = entry();
    this.#process = fork(path, [JSON.stringify(options)], { execArgv, serialization: "advanced", stdio: ["ignore", "ignore", "pipe", "ipc"] });
    this.#process.stderr?.setEncoding("utf8").on("data", (text: string) => logger?.warn("engine", { text: text.slice(0, 4000) }));
    this.ended = new Promise((resolve) => {
      this.#process.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
      this.#process.once("error", (error) => resolve(error.message));
    });
  }

  /** Starts a process and waits for its handshake. Throws bad_model and the like as the child says, engine_died, engine_timeout. */
  static async start(options: ChildOptions, { logger, wait = 0, signal }: StartOptions): Promise<EngineChild> {
    if (wait > 0) await sleep(wait, undefined, { signal });
    const child = new EngineChild(options, logger);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill();
        reject(new LimnetError("engine_timeout", "The engine did not start in time. The machine may be overloaded: try again."));
      }, startMs);
      child.#process.on("message", (event: EngineEvent) => {
        if (event.type === "note") logger?.warn("engine", { text: event.text });
        if (event.type !== "unusable" && event.type !== "ready") return;
        clearTimeout(timer);
        if (event.type === "unusable") return reject(toError(event.code, event.message));
        child.#device = event.device;
        resolve();
      });
      void child.ended.then((how) => {
        clearTimeout(timer);
        reject(new LimnetError("engine_died", `The engine process could not be started (${how}). The log of the server says more.`));
      });
    });
    return child;
  }

  /** Where its networks run. */
  get device(): Place {
    return this.#device;
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }

  /** Runs a job. Throws what the child answers; engine_died, engine_timeout, engine_cancelled. */
  run(job: SegmentJob, { deadlineMs, cancelMs, urgency, signal, onProgress }: RunOptions): Promise<SegmentResult> {
    const id = ++this.#lastId;
    return new Promise<SegmentResult>((resolve, reject) => {
      let killed: LimnetError | null = null;
      let cancelTimer: NodeJS.Timeout | undefined;
      const kill = (why: LimnetError) => {
        killed ??= why;
        this.kill();
      };
      const deadline = new Stopwatch(deadlineMs, () => kill(new LimnetError("engine_timeout",
        `The job took longer than ${Math.round(deadlineMs / 1000)} s and was ended. Send it again, or a smaller volume.`)));
      const cancel = () => {
        this.#send({ type: "cancel", id });
        cancelTimer = setTimeout(() => kill(new LimnetError("engine_cancelled", "The job was cancelled before it was done.")), cancelMs);
      };
      const listen = (event: EngineEvent) => {
        if (!("id" in event) || event.id !== id) return;
        if (event.type === "progress") onProgress?.(event.progress);
        else if (event.type === "paused") deadline.stop();
        else if (event.type === "resumed") deadline.start();
        else if (event.type === "done") settle(() => resolve(event.result));
        else settle(() => reject(toError(event.code, event.message)));
      };
      let settled = false;
      const settle = (how: () => void) => {
        if (settled) return;
        settled = true;
        deadline.stop();
        clearTimeout(cancelTimer);
        signal?.removeEventListener("abort", cancel);
        this.#process.off("message", listen);
        how();
      };
      void this.ended.then((how) => settle(() => reject(killed
        ?? new LimnetError("engine_died", `The engine process ended (${how}) while it worked on this job. It is being started again: send the clicks once more.`))));
      this.#process.on("message", listen);
      signal?.addEventListener("abort", cancel, { once: true });
      this.#send({ type: "segment", id, job, urgency });
      if (signal?.aborted) cancel();
    });
  }

  /** Ends the process, by force when it does not go. */
  async close(): Promise<void> {
    this.#send({ type: "close" });
    const timer = setTimeout(() => this.kill(), closeMs);
    await this.ended;
    clearTimeout(timer);
  }

  /** A message to a process that has just died is no error: its end is reported. */
  #send(command: EngineCommand): void {
    if (this.#process.connected) this.#process.send(command, () => {});
  }
}
