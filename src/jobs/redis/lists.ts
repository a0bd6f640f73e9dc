/** The lists in Redis as a server uses them: which list a job goes to, and off it again. */
import type { Urgency } from "../jobs.js";
import { type BullTimes, type JobQueueOnRedis, openQueue, orderOf } from "./bull.js";
import type { RedisLink } from "./link.js";
import { channels, liveWorkers, ownName, sharedName } from "./messages.js";
import type { Pending } from "./pending.js";

export interface ListOptions {
  readonly link: RedisLink;
  /** How long the worker that has an image warm may take to begin, before any other may. */
  readonly warmWaitMs?: number;
  readonly times?: BullTimes;
}

export class JobLists {
  readonly #options: ListOptions;
  readonly #link: RedisLink;
  readonly #queues = new Map<string, JobQueueOnRedis>();

  constructor(options: ListOptions) {
    this.#options = options;
    this.#link = options.link;
  }

  /** Jobs of all servers that wait for any worker. */
  waiting(urgency: Urgency): Promise<number> {
    return this.#queue(sharedName(urgency)).getWaitingCount();
  }

  /** To the worker that has the image, for a short while; where others wait too, everybody takes turns instead. */
  async place(pending: Pending): Promise<void> {
    const { urgency, about } = pending.data;
    const { warmWaitMs = 300 } = this.#options;
    const workers = about === undefined ? [] : await liveWorkers(this.#link);
    const warm = workers.length > 1 ? workers.find((worker) => worker.warm.includes(about!)) : undefined;
    const waiting = await this.waiting(urgency);
    if (warm === undefined || waiting > 0) return this.add(pending, sharedName(urgency));
    await this.add(pending, ownName(urgency, warm.id));
    const timer = setTimeout(() => void this.#move(pending), warmWaitMs);
    void pending.answer.catch(() => {}).finally(() => clearTimeout(timer));
  }

  /** Onto a list, whose order is that of turns. */
  async add(pending: Pending, name: string): Promise<void> {
    if (pending.settled) return;
    pending.list = name;
    const queue = this.#queue(name);
    await queue.add(pending.data, orderOf(pending.id, pending.data.turn));
    if (pending.withdrawn !== null && await this.remove(pending)) return pending.fail(pending.withdrawn);
    if (!pending.began) pending.placed(await queue.getWaitingCount() - 1 + await queue.getActiveCount());
    await this.#link.publish(channels.work, pending.id);
  }

  /** Whether a list still has it. */
  async has({ id, list }: Pending): Promise<boolean> {
    return (await this.#queue(list).getJob(id)) !== null;
  }

  /** False where a worker has it. */
  async remove({ id, list }: Pending): Promise<boolean> {
    const job = await this.#queue(list).getJob(id);
    if (job === null) return false;
    return job.remove().then(() => true, () => false);
  }

  /** To the list of all workers, where it has not begun. */
  async #move(pending: Pending): Promise<void> {
    if (pending.began || pending.settled) return;
    try {
      if (await this.remove(pending)) await this.add(pending, sharedName(pending.data.urgency));
    } catch {
      // The next reconciliation sees to it.
    }
  }

  #queue(name: string): JobQueueOnRedis {
    const known = this.#queues.get(name) ?? openQueue(this.#link, name, this.#options.times);
    this.#queues.set(name, known);
    return known;
  }
}
