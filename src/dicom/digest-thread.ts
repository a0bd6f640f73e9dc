/** SHA-256 of what is written, in a thread beside the one that fills the next piece: the sum of 100 MB takes as long as filling them. */
import { Worker } from "node:worker_threads";
import { LimnetError } from "../errors.js";

/** A sum under way. */
export interface Sum {
  /** Bytes in shared memory, which may change again when the promise settles. */
  add(bytes: Uint8Array<SharedArrayBuffer>): Promise<void>;
  /** In hexadecimal, of all that was added. */
  end(): Promise<string>;
}

interface Task {
  readonly sum: number;
  /** Null where the sum is complete. */
  readonly bytes: Uint8Array | null;
}

interface Waiting {
  resolve(hex: string | null): void;
  reject(error: Error): void;
}

/** Handed over as text: as a module, it would take a TypeScript loader longer to start than to do its work. */
const thread = `
const { createHash } = require("node:crypto");
const { parentPort } = require("node:worker_threads");
const sums = new Map();
parentPort.on("message", ({ sum, bytes }) => {
  const hash = sums.get(sum) ?? createHash("sha256");
  if (bytes) sums.set(sum, hash.update(bytes));
  else sums.delete(sum);
  parentPort.postMessage(bytes ? null : hash.digest("hex"));
});`;

export class DigestThread {
  /** In the order in which the thread will answer. */
  readonly #waiting: Waiting[] = [];
  #worker: Worker | null = null;
  #next = 0;
  #closed = false;

  /** Starts the thread ahead of its first task. An idle one does not keep the process. */
  warm(): void {
    if (this.#worker || this.#closed) return;
    const worker = new Worker(thread, { eval: true });
    this.#worker = worker;
    worker.unref();
    worker.on("message", (hex: string | null) => {
      this.#waiting.shift()?.resolve(hex);
      if (this.#waiting.length === 0) worker.unref();
    });
    worker.on("error", () => {});
    worker.once("exit", () => {
      if (this.#worker === worker) this.#worker = null;
      for (const one of this.#waiting.splice(0)) one.reject(ended());
    });
  }

  begin(): Sum {
    const sum = this.#next++;
    return {
      add: async (bytes) => void (await this.#ask({ sum, bytes })),
      end: async () => (await this.#ask({ sum, bytes: null }))!,
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#worker?.terminate();
  }

  #ask(task: Task): Promise<string | null> {
    this.warm();
    const worker = this.#worker;
    if (!worker) return Promise.reject(ended());
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      worker.ref();
      worker.postMessage(task);
    });
  }
}

const ended = () => new LimnetError("busy", "The server is stopping. Try again when it is up.");
