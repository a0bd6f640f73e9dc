/** Looks after the jobs that a server waits for. */
import { LimnetError } from "../../errors.js";
import type { RedisLink } from "./link.js";
import type { JobLists } from "./lists.js";
import { aliveMs, type Answer, liveWorkers, sharedName } from "./messages.js";
import type { Pending } from "./pending.js";

export interface CaretakerParts {
  readonly link: RedisLink;
  readonly lists: JobLists;
  /** Name of the server. */
  readonly node: string;
  readonly pending: ReadonlyMap<string, Pending>;
  readonly hear: (answer: Answer) => void;
}

export class Caretaker {
  readonly #parts: CaretakerParts;

  constructor(parts: CaretakerParts) {
    this.#parts = parts;
  }

  /**
   * Looks after what messages do not tell: outcomes that were missed, jobs whose worker is gone, jobs that Redis has lost. `fresh`: the
   * connection has just come about, Redis may have been started anew.
   */
  async look(fresh: boolean): Promise<void> {
    const { link, node, pending, hear } = this.#parts;
    if (!link.ready) return;
    try {
      await link.client.set(link.key("node", node), "1", "PX", aliveMs * 2);
      const jobs = [...pending.values()].filter(({ list }) => list !== "");
      if (jobs.length === 0) return;
      const outcomes = await link.client.mget(jobs.map(({ id }) => link.key("outcome", id)));
      const alive = new Set((await liveWorkers(link)).map(({ id }) => id));
      for (const [n, job] of jobs.entries()) {
        const outcome = outcomes[n];
        if (outcome !== null && outcome !== undefined) hear(JSON.parse(outcome) as Answer);
        else if (!job.settled) await this.#lookAfter(job, fresh, alive);
      }
    } catch {
      // Gone again; the next time comes with the connection.
    }
  }

  async #lookAfter(job: Pending, fresh: boolean, alive: ReadonlySet<string>): Promise<void> {
    const shared = sharedName(job.data.urgency);
    const { lists } = this.#parts;
    if (await lists.has(job)) {
      job.missed = 0;
      const owner = job.list === shared ? null : job.list.slice(shared.length + 1);
      // Nobody else looks at the list of a worker that is gone. Its lock may take a little longer to go: then the next time.
      if (owner !== null && !alive.has(owner) && await lists.remove(job)) await lists.add(job, shared);
      return;
    }
    // Neither listed nor answered: between the two there is a moment, hence twice.
    if (fresh) return lists.add(job, shared);
    if (++job.missed < 3) return;
    job.fail(new LimnetError("engine_died", "The workers that took this job ended before it was done. Send the clicks once more."));
  }
}
