/**
 * DicomLabels in a thread of its own: a large label takes a second to encode, and no request should wait for another's. The thread is
 * made when first needed and goes when it was idle for a while.
 */
import type { Worker } from "node:worker_threads";
import type { Grid } from "../imaging/align.js";
import { type ErrorCode, LimnetError } from "../errors.js";
import type { ExportFormat } from "./export.js";
import type { LabelObject, LabelSettings, LabelWork, SavedLabel } from "./labels.js";
import type { LabelSource } from "./seg/modules.js";
import type { SegGrid } from "./seg/read.js";
import type { StartFile, Wanted } from "./start.js";
import { startThread } from "./thread.js";

export interface Task {
  readonly id: number;
  readonly settings: LabelSettings;
  readonly name: keyof LabelWork;
  readonly args: readonly unknown[];
}

export type Outcome = { readonly id: number; readonly result: unknown } | { readonly id: number; readonly error: { readonly code?: ErrorCode; readonly message: string } };

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

export interface LabelThreadOptions {
  /** Milliseconds without work after which the thread ends. */
  readonly idleMs?: number;
}

export class LabelThread implements LabelWork {
  /** What labels mean is known when the app is. */
  settings: LabelSettings = { codes: {}, version: "", clicked: [] };
  readonly #idleMs: number;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | null = null;
  #idle: NodeJS.Timeout | null = null;
  #last = 0;
  #closed = false;

  constructor({ idleMs = 60_000 }: LabelThreadOptions = {}) {
    this.#idleMs = idleMs;
  }

  write(label: SavedLabel, source: LabelSource): Promise<LabelObject | null> {
    return this.#do("write", label, source) as Promise<LabelObject | null>;
  }

  async read(objects: readonly Uint8Array[], source: SegGrid, path: string): Promise<void> {
    await this.#do("read", objects, source, path);
  }

  async export(label: SavedLabel, grid: Grid, source: LabelSource | null, format: ExportFormat, path: string): Promise<void> {
    await this.#do("export", label, grid, source, format, path);
  }

  start(file: StartFile, grid: SegGrid, wanted: Wanted): Promise<Uint8Array | undefined> {
    return this.#do("start", file, grid, wanted) as Promise<Uint8Array | undefined>;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#stop(closing());
  }

  #do(name: keyof LabelWork, ...args: unknown[]): Promise<unknown> {
    if (this.#closed) return Promise.reject(closing());
    if (this.#idle) clearTimeout(this.#idle);
    const worker = (this.#worker ??= this.#begin());
    worker.ref();
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      worker.postMessage({ id, settings: this.settings, name, args } satisfies Task);
    });
  }

  #begin(): Worker {
    const worker = startThread(new URL("./label-worker", import.meta.url));
    worker.on("message", (outcome: Outcome) => this.#settle(outcome));
    const gone = () => {
      if (this.#worker !== worker) return;
      this.#worker = null;
      this.#failAll(new LimnetError("out_of_memory", "The label could not be worked on: the thread that does it ended. It may be too large for the memory of this server."));
    };
    worker.on("error", gone);
    worker.on("exit", gone);
    return worker;
  }

  #settle(outcome: Outcome): void {
    const waiting = this.#waiting.get(outcome.id);
    this.#waiting.delete(outcome.id);
    if ("error" in outcome) waiting?.reject(outcome.error.code ? new LimnetError(outcome.error.code, outcome.error.message) : new Error(outcome.error.message));
    else waiting?.resolve(outcome.result);
    if (this.#waiting.size > 0) return;
    this.#worker?.unref();
    this.#idle = setTimeout(() => void this.#stop(closing()), this.#idleMs);
    this.#idle.unref();
  }

  async #stop(reason: Error): Promise<void> {
    if (this.#idle) clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = null;
    this.#failAll(reason);
    await worker?.terminate();
  }

  #failAll(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

const closing = () => new LimnetError("closing", "The server is stopping. Try again when it is up.");
