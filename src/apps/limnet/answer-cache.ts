/** Files of answers that were just given: an undo and the redo after it show masks that were shown before. */
import type { ResultFile } from "../result-file.js";

/** Least recently used goes first; never more than `budget` bytes. Only files in memory are kept. */
export class AnswerCache {
  readonly #budget: number;
  readonly #kept = new Map<string, { readonly parts: readonly Uint8Array[]; readonly bytes: number }>();
  #bytes = 0;

  constructor(budget = 32 * 2 ** 20) {
    this.#budget = budget;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The pieces of a file. Nobody changes them. */
  get(name: string): readonly Uint8Array[] | undefined {
    const found = this.#kept.get(name);
    if (found) {
      this.#kept.delete(name);
      this.#kept.set(name, found);
    }
    return found?.parts;
  }

  /** One that would push out most of the others is not kept. */
  set(name: string, { parts }: ResultFile): void {
    const bytes = parts?.reduce((sum, part) => sum + part.length, 0) ?? Infinity;
    this.#drop(name);
    if (!parts || bytes > this.#budget / 3) return;
    this.#kept.set(name, { parts, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= this.#budget) break;
      this.#drop(oldest);
    }
  }

  #drop(name: string): void {
    this.#bytes -= this.#kept.get(name)?.bytes ?? 0;
    this.#kept.delete(name);
  }
}
