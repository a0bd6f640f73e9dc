/** A job that a server waits for. */
import { LimnetError } from "../../errors.js";
import type { JobOptions } from "../jobs.js";
import type { JobData } from "./bull.js";

export class Pending {
  readonly id: string;
  readonly data: JobData;
  readonly answer: Promise<unknown>;
  /** Name of the list that it is on; "" before. */
  list = "";
  worker: string | null = null;
  /** How often in a row it was on no list. */
  missed = 0;
  settled = false;
  /** Why it was taken back while it was on its way to a list. */
  withdrawn: Error | null = null;
  readonly #options: JobOptions;
  readonly #start = performance.now();
  #began = NaN;
  #outcome = "done";
  #resolve: (result: unknown) => void = () => {};
  #reject: (error: Error) => void = () => {};

  constructor(id: string, data: JobData, options: JobOptions) {
    this.id = id;
    this.data = data;
    this.#options = options;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.answer.catch(() => {});
  }

  get began(): boolean {
    return this.worker !== null;
  }

  placed(before: number): void {
    if (before > 0) this.#options.onPlace?.(before);
  }

  begin(worker: string): void {
    if (Number.isNaN(this.#began)) {
      this.#began = performance.now();
      this.#options.onPlace?.(0);
    }
    this.worker = worker;
  }

  progress(progress: unknown): void {
    this.#options.onProgress?.(progress);
  }

  resolve(result: unknown): void {
    this.settled = true;
    this.#resolve(result);
  }

  fail(error: Error): void {
    if (!this.settled) this.#outcome = error instanceof LimnetError ? error.code : "failed";
    this.settled = true;
    this.#reject(error);
  }

  figures(): { waited: number; worked: number; outcome: string } {
    const end = performance.now();
    const began = Number.isNaN(this.#began) ? end : this.#began;
    return { waited: (began - this.#start) / 1000, worked: (end - began) / 1000, outcome: this.#outcome };
  }
}
