/**
 * SHA-256 of what is written, and the offset of a CT added to it before, in a thread beside the one that fetches the next piece: each
 * takes as long as fetching.
 */
import { Worker } from "node:worker_threads";
import { LimnetError } from "../errors.js";
import { shiftText } from "./shift.js";

/** A sum under way. */
export interface Sum {
  /** Bytes in shared memory, which may change again when the promise settles. Tells what `shift` would. */
  add(bytes: Uint8Array<SharedArrayBuffer>, shift?: Shift | null): Promise<boolean>;
  /** In hexadecimal, of all that was added. */
  end(): Promise<string>;
}

/** Samples of 16 bits that get an offset, as `shiftSamples` does it. */
export interface Shift {
  readonly offset: number;
  readonly bits: number;
  readonly signed: boolean;
}

interface Task {
  /** Null where nothing is summed. */
  readonly sum: number | null;
  /** Null where the sum is complete. */
  readonly bytes: Uint8Array | null;
  readonly shift?: Shift | null;
  /** A file to be summed as a whole, instead. */
  readonly path?: string;
}

interface Answer {
  /** What is asked for: a sum, or whether all samples fit. */
  readonly result: string | boolean;
  readonly error?: Error;
}

interface Waiting {
  resolve(result: string | boolean): void;
  reject(error: Error): void;
}

/** Handed over as text: as a module, it would take a TypeScript loader longer to start than to do its work. */
const thread = () => `
${shiftText()}
const { createHash } = require("node:crypto");
const { closeSync, openSync, readSync } = require("node:fs");
const { parentPort } = require("node:worker_threads");
const sums = new Map();
function ofFile(path) {
  const [file, hash, piece] = [openSync(path), createHash("sha256"), Buffer.allocUnsafe(1 << 20)];
  try {
    for (let bytes; (bytes = readSync(file, piece)) > 0;) hash.update(piece.subarray(0, bytes));
    return hash.digest("hex");
  } finally {
    closeSync(file);
  }
}
function answer({ sum, bytes, shift, path }) {
  if (path !== undefined) return ofFile(path);
  let fits = true;
  if (shift) {
    const words = new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
    fits = shiftSamples(words, shift.signed ? words : new Uint16Array(bytes.buffer, bytes.byteOffset, words.length), shift.offset, shift.bits);
  }
  if (sum === null) return fits;
  const hash = sums.get(sum) ?? createHash("sha256");
  if (bytes) sums.set(sum, hash.update(bytes));
  else sums.delete(sum);
  return bytes ? fits : hash.digest("hex");
}
parentPort.on("message", (task) => {
  try {
    parentPort.postMessage({ result: answer(task) });
  } catch (error) {
    parentPort.postMessage({ result: false, error });
  }
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
    const worker = new Worker(thread(), { eval: true });
    this.#worker = worker;
    worker.unref();
    worker.on("message", ({ result, error }: Answer) => {
      const one = this.#waiting.shift();
      if (error) one?.reject(error);
      else one?.resolve(result);
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
      add: async (bytes, shift) => (await this.#ask({ sum, bytes, shift })) as boolean,
      end: async () => (await this.#ask({ sum, bytes: null })) as string,
    };
  }

  /** Adds an offset to samples in shared memory. False where one is none, or a sum does not fit; it can be taken away again all the same. */
  async shift(bytes: Uint8Array<SharedArrayBuffer>, shift: Shift): Promise<boolean> {
    return (await this.#ask({ sum: null, bytes, shift })) as boolean;
  }

  /** Of a file, in hexadecimal. @throws what the file system throws */
  async ofFile(path: string): Promise<string> {
    return (await this.#ask({ sum: null, bytes: null, path })) as string;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#worker?.terminate();
  }

  #ask(task: Task): Promise<string | boolean> {
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
