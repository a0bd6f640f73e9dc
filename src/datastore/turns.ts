/** Changes one after the other; those that wait together share one look before and one write after. */
import type { Log } from "./log.js";

export interface TurnSteps {
  /** Before the changes of a turn. */
  readonly before: () => Promise<void>;
  /** Makes the changes durable. */
  readonly write: () => Promise<void>;
  /** After a turn that changed something. */
  readonly after: () => Promise<void>;
  /** Milliseconds that what is not urgent may wait for its write. */
  readonly delay: number;
  readonly log: Log;
  /** A turn while no other process has one; default: there is no other. */
  readonly among?: <T>(work: () => Promise<T>) => Promise<T>;
}

interface Job {
  readonly act: (() => unknown) | null;
  readonly settle: (outcome: { value: unknown } | { error: unknown }) => void;
}

export class Turns {
  readonly #steps: TurnSteps;
  readonly #waiting: Job[] = [];
  #working: Promise<void> | null = null;
  #dirty = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(steps: TurnSteps) {
    this.#steps = steps;
  }

  /** Only the look. */
  async look(): Promise<void> {
    await this.#enter(null);
  }

  /** Runs `act` in its turn; when this resolves, its change is written. An `act` that throws changes nothing for the others. */
  run<T>(act: () => Promise<T> | T): Promise<T> {
    return this.#enter(act) as Promise<T>;
  }

  /** Something was changed already and may be written some time soon. */
  later(): void {
    this.#dirty = true;
    this.#timer ??= setTimeout(() => void this.#writeNotes(), this.#steps.delay).unref();
  }

  /** Writes what waits, and resolves when nothing is at work. */
  async close(): Promise<void> {
    await this.#working;
    if (this.#timer) await this.#writeNotes();
  }

  #enter(act: Job["act"]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ act, settle: (outcome) => ("error" in outcome ? reject(outcome.error as Error) : resolve(outcome.value)) });
      this.#working ??= this.#work();
    });
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0) {
      const turn = this.#waiting.splice(0);
      const { among, before } = this.#steps;
      const work = async () => {
        await before();
        await this.#turn(turn);
      };
      try {
        await (among ? among(work) : work());
      } catch (error) {
        for (const job of turn) job.settle({ error });
      }
    }
    // In the same step as the last look at the list: what comes a moment later begins anew.
    this.#working = null;
  }

  async #turn(turn: readonly Job[]): Promise<void> {
    const done: { job: Job; value: unknown }[] = [];
    const acts = turn.filter(({ act }) => act !== null).length;
    for (const job of turn) {
      try {
        done.push({ job, value: await job.act?.() });
      } catch (error) {
        job.settle({ error });
      }
    }
    try {
      if (done.some(({ job }) => job.act !== null)) await this.#write();
      if (acts > 0) await this.#steps.after();
      for (const { job, value } of done) job.settle({ value });
    } catch (error) {
      for (const { job } of done) job.settle({ error });
    }
  }

  async #write(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    // Before the write: what is noted while it runs needs another one.
    this.#dirty = false;
    try {
      await this.#steps.write();
    } catch (error) {
      this.#dirty = true;
      throw error;
    }
  }

  async #writeNotes(): Promise<void> {
    this.#timer = null;
    if (!this.#dirty) return;
    await this.run(() => {}).catch((error: Error) => void this.#steps.log.warn(`Notes about images could not be written: ${error.message}`));
  }
}
