/**
 * One job at work at a time in the engine's process, the most pressing of those that are there. A job asks for its turn between
 * slices: while a more pressing one is there it waits, holding what it has done so far. Networks and caches are shared, results
 * depend on neither, so that a pause changes nothing.
 */
import type { Urgency } from "./protocol.js";

const rank: Record<Urgency, number> = { glance: 0, round: 1, batch: 2 };

export interface Turn {
  /** Resolves as soon as no more pressing job is there, at once when none is. Rejects with the reason of the signal. */
  pause(): Promise<void>;
  /** The job is over. */
  leave(): void;
}

/** Told when a job begins to wait, and when it goes on. */
export type OnPause = (waits: boolean) => void;

interface Member {
  readonly rank: number;
  wake: (() => void) | null;
}

export class Turns {
  /** The most pressing first; of equals the one that came first. */
  readonly #present: Member[] = [];

  enter(urgency: Urgency, signal: AbortSignal, onPause: OnPause = () => {}): Turn {
    const mine: Member = { rank: rank[urgency], wake: null };
    const behind = this.#present.findIndex((other) => other.rank > mine.rank);
    this.#present.splice(behind < 0 ? this.#present.length : behind, 0, mine);
    return {
      pause: async () => {
        signal.throwIfAborted();
        if (this.#present[0] === mine) return;
        onPause(true);
        while (this.#present[0] !== mine) await this.#wait(mine, signal);
        onPause(false);
      },
      leave: () => {
        const at = this.#present.indexOf(mine);
        if (at < 0) return;
        this.#present.splice(at, 1);
        this.#present[0]?.wake?.();
      },
    };
  }

  #wait(mine: Member, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (how: () => void) => {
        mine.wake = null;
        signal.removeEventListener("abort", stop);
        how();
      };
      const stop = () => settle(() => reject(signal.reason));
      signal.addEventListener("abort", stop, { once: true });
      mine.wake = () => settle(resolve);
    });
  }
}
