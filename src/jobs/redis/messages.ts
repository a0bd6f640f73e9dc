/** What servers and workers tell each other beside the jobs. */
import { catalogue, type ErrorCode, LimnetError } from "../../errors.js";
import type { Urgency } from "../jobs.js";
import type { RedisLink } from "./link.js";

/** How a job and its result cross machines: JSON without absolute paths. */
export interface JobCodec<Job, Result> {
  pack(job: Job): unknown;
  unpack(data: unknown): Job;
  /** Of a result that came with a job. */
  unpackResult(data: unknown, job: Job): Result;
}

/** To the server that waits. */
export type Answer =
  | { readonly id: string; readonly type: "began"; readonly worker: string }
  | { readonly id: string; readonly type: "progress"; readonly progress: unknown }
  | Outcome;

/** Also kept under a key for a while: a server that was not connected when it came finds it there. */
export type Outcome =
  | { readonly id: string; readonly type: "done"; readonly result: unknown }
  | { readonly id: string; readonly type: "failed"; readonly code: string; readonly message: string };

/** A worker, as it says itself every other second. */
export interface WorkerState {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  /** At work, by urgency. */
  readonly busy: readonly Urgency[];
  /** What it has in memory, the newest last. */
  readonly warm: readonly string[];
}

export const channels = {
  /** Somewhere a job waits. */
  work: "work",
  /** Id of a job that nobody wants any more. */
  cancel: "cancel",
  node: (id: string) => `node:${id}`,
};

/** How long outcomes and cancels are kept. */
export const keepMs = 600_000;
/** A worker or server that has not been heard of for so long is gone. */
export const aliveMs = 8000;
export const heartbeatMs = 2000;

export const sharedName = (urgency: Urgency) => urgency as string;
export const ownName = (urgency: Urgency, worker: string) => `${urgency}-${worker}`;

/** All workers that were heard of. */
export async function liveWorkers(link: RedisLink): Promise<WorkerState[]> {
  const ids = await link.client.smembers(link.key("workers"));
  if (ids.length === 0) return [];
  const states = await link.client.mget(ids.map((id) => link.key("worker", id)));
  const gone = ids.filter((_, n) => states[n] === null);
  if (gone.length > 0) await link.client.srem(link.key("workers"), ...gone);
  return states.filter((text) => text !== null).map((text) => JSON.parse(text) as WorkerState);
}

export function errorOf({ code, message }: { code: string; message: string }): LimnetError {
  return new LimnetError(Object.hasOwn(catalogue, code) ? (code as ErrorCode) : "engine_failed", message);
}
