/** What a worker does with a job that it has taken: runs it, and tells the server that waits. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Job } from "bull";
import { LimnetError } from "../../errors.js";
import type { Work } from "../jobs.js";
import type { JobData } from "./bull.js";
import type { LinkLog, RedisLink } from "./link.js";
import { type Answer, channels, type JobCodec, keepMs, type Outcome } from "./messages.js";

export interface HandlerOptions<Job, Result, Progress> {
  readonly link: RedisLink;
  readonly codec: JobCodec<Job, Result>;
  readonly work: Work<Job, Result, Progress>;
  readonly log?: LinkLog;
  /** Id of the worker. */
  readonly worker: string;
  /** Told what a job was about that is done. */
  readonly done: (about: string) => void;
}

export class JobHandler<Job_, Result, Progress> {
  readonly #options: HandlerOptions<Job_, Result, Progress>;

  constructor(options: HandlerOptions<Job_, Result, Progress>) {
    this.#options = options;
  }

  /** Never rejects but to put the job back: what goes wrong is an answer. */
  async handle(job: Job<JobData>, signal = new AbortController().signal): Promise<void> {
    const { codec, work, log, worker, done } = this.#options;
    const id = String(job.id);
    const { node, urgency, about, requestId, progress: wantsProgress } = job.data;
    if (await this.#unwanted(id, node)) return;
    const tell = (answer: Answer) => this.#options.link.publish(channels.node(node), answer).catch(() => {});
    await tell({ id, type: "began", worker });
    const start = performance.now();
    let outcome: Outcome;
    try {
      const onProgress = wantsProgress ? (progress: Progress) => void tell({ id, type: "progress", progress }) : undefined;
      const result = await work(codec.unpack(job.data.job), { signal, urgency, requestId, onProgress });
      outcome = { id, type: "done", result };
      if (about !== undefined) done(about);
    } catch (error) {
      if (signal.reason === putBack) throw error;
      outcome = { id, type: "failed", ...readable(error) };
      if (!(error instanceof LimnetError)) log?.warn("a job failed", { job: id, error: String((error as Error)?.stack ?? error) });
    }
    log?.info("job", { job: id, requestId, urgency, outcome: outcome.type === "done" ? "done" : outcome.code, milliseconds: Math.round(performance.now() - start) });
    await this.#report(node, outcome);
  }

  /** Cancelled while it waited, asked for by a server that is gone, or done by a worker that died before it was off the list. */
  async #unwanted(id: string, node: string): Promise<boolean> {
    const { client } = this.#options.link;
    const [cancelled, alive, outcome] = await client.mget(...[["cancelled", id], ["node", node], ["outcome", id]].map((parts) => this.#options.link.key(...parts)));
    return cancelled !== null || alive === null || outcome !== null;
  }

  /** Redis may be away just now: the outcome is worth waiting for. */
  async #report(node: string, outcome: Outcome): Promise<void> {
    for (let n = 0; n < 60; n++) {
      try {
        await this.#options.link.client.set(this.#options.link.key("outcome", outcome.id), JSON.stringify(outcome), "PX", keepMs);
        await this.#options.link.publish(channels.node(node), outcome);
        return;
      } catch {
        await sleep(500);
      }
    }
  }
}

/** Reason of a signal: the worker leaves, another one is to take the job. */
export const putBack = new Error("The worker is leaving.");

function readable(error: unknown): { code: string; message: string } {
  if (error instanceof LimnetError) return { code: error.code, message: error.message };
  return { code: "engine_failed", message: "The worker failed on this job. Its log says more." };
}
