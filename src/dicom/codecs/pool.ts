/** Decodes on all cores: a bounded set of threads, started when first needed. */
import { availableParallelism } from "node:os";
import type { Worker } from "node:worker_threads";
import { type ErrorCode, LimnetError } from "../../errors.js";
import { badVolume } from "../../imaging/volume.js";
import { startThread } from "../thread.js";
import { transferSyntax } from "../transfer-syntax.js";
import type { DecodedFrame, EncodedFrame, FrameDecoder } from "../types.js";

export type Answer = { readonly decoded: DecodedFrame } | { readonly error: { readonly code: ErrorCode; readonly message: string } };

interface Job {
  readonly frame: EncodedFrame;
  readonly signal?: AbortSignal;
  settle(answer: Answer | Error): void;
}

export interface PoolOptions {
  /** One per core when not given. */
  readonly threads?: number;
  /** Longest time for one frame, after which its thread is ended. */
  readonly deadlineMs?: number;
}

export class DecoderPool implements FrameDecoder {
  readonly #threads: number;
  readonly #deadlineMs: number;
  readonly #waiting: Job[] = [];
  readonly #idle: Worker[] = [];
  readonly #all = new Set<Worker>();
  #closed = false;

  constructor({ threads = availableParallelism(), deadlineMs = 60_000 }: PoolOptions = {}) {
    this.#threads = Math.max(1, threads);
    this.#deadlineMs = deadlineMs;
  }

  /** Native pixels come back as they are: there is nothing to do for them. */
  async decode(frame: EncodedFrame, signal?: AbortSignal): Promise<DecodedFrame> {
    signal?.throwIfAborted();
    if (transferSyntax(frame.transferSyntaxUid)?.packing === "native") {
      return { bytes: frame.bytes, bitsAllocated: frame.bitsAllocated, planar: frame.planar, rgb: false };
    }
    if (this.#closed) throw closedError();
    const answer = await new Promise<Answer>((resolve, reject) => {
      const job: Job = {
        frame, signal,
        settle(result) {
          signal?.removeEventListener("abort", leave);
          if (result instanceof Error) reject(result);
          else resolve(result);
        },
      };
      const leave = () => {
        const at = this.#waiting.indexOf(job);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal!.reason as Error);
      };
      signal?.addEventListener("abort", leave, { once: true });
      this.#waiting.push(job);
      this.#next();
    });
    if ("error" in answer) throw new LimnetError(answer.error.code, answer.error.message);
    return answer.decoded;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const job of this.#waiting.splice(0)) job.settle(closedError());
    await Promise.all([...this.#all].map((worker) => worker.terminate()));
  }

  #next(): void {
    if (this.#waiting.length === 0 || this.#closed) return;
    const worker = this.#idle.pop() ?? (this.#all.size < this.#threads ? this.#start() : undefined);
    if (worker) this.#give(worker, this.#waiting.shift()!);
  }

  #start(): Worker {
    const worker = startThread(new URL("./worker", import.meta.url));
    this.#all.add(worker);
    worker.once("exit", () => this.#all.delete(worker));
    // Answered in #give, where a job is under way; an idle thread that fails is only replaced.
    worker.on("error", () => {});
    return worker;
  }

  #give(worker: Worker, job: Job): void {
    const done = (result: Answer | Error, alive: boolean) => {
      clearTimeout(timer);
      worker.removeAllListeners("message");
      worker.off("exit", ended);
      if (alive) {
        // An idle pool does not keep the process.
        worker.unref();
        this.#idle.push(worker);
      } else {
        this.#all.delete(worker);
        void worker.terminate();
      }
      job.settle(result);
      this.#next();
    };
    const ended = () => done(this.#closed ? closedError() : badVolume("A compressed image is damaged: its decoder gave up on it. Send it again."), false);
    const timer = setTimeout(() => done(badVolume(`A compressed image was not decoded within ${this.#deadlineMs / 1000} s. It may be damaged: send it again.`), false), this.#deadlineMs);
    worker.ref();
    worker.on("message", (answer: Answer) => done(answer, true));
    worker.once("exit", ended);
    // A view would take its whole file along. (slice() of a Buffer copies nothing.)
    const bytes = new Uint8Array(job.frame.bytes);
    worker.postMessage({ ...job.frame, bytes }, [bytes.buffer]);
  }
}

const closedError = () => new LimnetError("busy", "The server is stopping. Try again when it is up.");
