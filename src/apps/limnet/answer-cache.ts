/** Files of answers that were just given: an undo and the redo after it show masks that were shown before. */
import type { Pieces, ResultFile } from "../result-file.js";

/** Least recently used goes first; never more than `budget` bytes. Only files in memory are kept. */
export class AnswerCache {
  readonly #budget: number;
  readonly #kept = new Map<string, Pieces>();
  #bytes = 0;

  constructor(budget = 32 * 2 ** 20) {
    this.#budget = budget;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(name: string): Pieces | undefined {
    const found = this.#kept.get(name);
    if (found) {
      this.#kept.delete(name);
      this.#kept.set(name, found);
    }
    return found;
  }

  /** One that would push out most of the others is not kept. */
  set(name: string, { parts }: ResultFile): void {
    this.#drop(name);
    if (!parts || parts.held > this.#budget / 3) return;
    this.#kept.set(name, parts);
    this.#bytes += parts.held;
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= this.#budget) break;
      this.#drop(oldest);
    }
  }

  #drop(name: string): void {
    this.#bytes -= this.#kept.get(name)?.held ?? 0;
    this.#kept.delete(name);
  }
}
