/**
 * One object of one user: brings its journal up to the clicks of a request. Requests come one after the other (task.ts).
 * A failure of the engine changes nothing of what clients see.
 */
import type { LimnetSettings, Progress, RoundRequest, SegmentJob, SegmentResult } from "../../engine/protocol.js";
import { LimnetError } from "../../errors.js";
import { fileDigest } from "../../imaging/digest.js";
import type { Axis } from "../../imaging/geometry.js";
import { voxelToPixel } from "../../imaging/slices.js";
import type { JobOptions, JobQueue } from "../../jobs/jobs.js";
import type { ImageSource } from "../app.js";
import type { Journal } from "./journal.js";
import type { Click, ClickLists } from "./rounds/clicks.js";
import { extendHistory, type History, type RoundRecord, statesToKeep } from "./rounds/history.js";
import { plan, type Round, type RoundPlan } from "./rounds/plan.js";

export interface ObjectJob {
  readonly image: ImageSource;
  readonly axis: Axis;
  readonly settings: LimnetSettings;
  readonly lists: ClickLists;
  readonly user: string;
  /** What the queue is told of each round (jobs.ts): how pressing it is, who is told of its progress, what takes its place. */
  readonly place?: Pick<JobOptions<Progress>, "urgency" | "giveWay" | "onPlace" | "onProgress" | "requestId">;
}

export interface ObjectState {
  readonly plan: RoundPlan;
  /** History after the request. */
  readonly history: History;
  /** Fused probabilities after the last round (uint8, grid of the image, gzip); null without rounds. */
  readonly fusedPath: string | null;
  /** Seconds that the engine took; 0 where everything was kept. */
  readonly engineSeconds: number;
}

/** The way to an engine, wherever it is. */
export type SegmentQueue = JobQueue<SegmentJob, SegmentResult, Progress>;

export interface Workshop {
  readonly queue: SegmentQueue;
  /** Digest of the networks that the engine runs, where it is known beforehand: results of others are not used. */
  readonly modelDigest?: string;
}

/**
 * Runs the rounds that are missing, writes the journal, and says where the result is. Each finished round is kept at once, so
 * that a request that is cut short goes on from there when it comes again; its clicks count only when all of it is done.
 */
export async function advance(workshop: Workshop, journal: Journal, job: ObjectJob, signal: AbortSignal): Promise<ObjectState> {
  const before = await journal.load();
  let history = before;
  let todo = await planFrom(journal, before, job, workshop.modelDigest);
  const { clicks, keys, rounds } = todo;
  const note = async (ran: readonly RoundRecord[], model: string | null, known: readonly Click[]) => {
    const entry = { version: 1, time: new Date().toISOString(), clicks: known, model, ran } as const;
    await journal.append(entry);
    history = extendHistory(history, entry);
  };
  const start = performance.now();
  if (todo.keep < rounds.length) await journal.prepare();
  for (let n = todo.keep; n < rounds.length; n++) {
    try {
      const result = await runRound(workshop, journal, job, todo, n, signal);
      if (n > 0 && result.model !== history.model) {
        // The rounds before come from other networks: they are not a state of these. Once, as all that follow are alike.
        todo = { ...todo, keep: 0 };
        history = { ...history, records: new Map(), model: result.model };
        n = -1;
        continue;
      }
      await note([await recordOf(journal, keys[n], result)], result.model, n + 1 < rounds.length ? before.clicks : clicks);
    } catch (error) {
      await journal.prune(new Set(history.records.keys()));
      throw error;
    }
    await journal.prune(statesToKeep(history, keys.slice(0, n + 1)));
  }
  const ran = todo.keep < rounds.length;
  const engineSeconds = ran ? (performance.now() - start) / 1000 : 0;
  if (!ran && JSON.stringify(before.clicks) !== JSON.stringify(clicks)) await note([], null, clicks);
  const last = keys.at(-1);
  return { plan: todo, history, fusedPath: last === undefined ? null : journal.statePath(last), engineSeconds };
}

/** The plan whose starting state is really there; what is damaged counts as missing. */
async function planFrom(journal: Journal, history: History, job: ObjectJob, model = history.model): Promise<RoundPlan> {
  const missing = new Set<string>();
  const isKept = (key: string) => history.records.has(key) && !missing.has(key) && history.model === model;
  for (;;) {
    const todo = plan(history.clicks, job.lists, job.axis, isKept);
    const base = history.records.get(todo.keys[todo.keep - 1]);
    if (base === undefined || (await journal.holds(base))) return todo;
    missing.add(base.key);
  }
}

/** Runs round `n` of a plan from the state before it; once more when the engine died on the way. */
async function runRound(
  { queue }: Workshop, journal: Journal, job: ObjectJob, { rounds, keys }: RoundPlan, n: number, signal: AbortSignal,
): Promise<SegmentResult> {
  const requests = rounds.slice(0, n + 1).map((round) => toRequest(round, job.axis));
  const segmentJob: SegmentJob = {
    volumePath: job.image.path,
    volumeDigest: job.image.digest,
    axis: job.axis,
    state: { fusedPath: n > 0 ? journal.statePath(keys[n - 1]) : null, rounds: requests.slice(0, n) },
    rounds: requests.slice(n),
    outputs: [journal.statePath(keys[n])],
    settings: job.settings,
  };
  const once = () => queue.run(segmentJob, { ...job.place, signal, key: job.user, about: job.image.digest });
  try {
    return await once();
  } catch (error) {
    if (!(error instanceof LimnetError && error.code === "engine_died") || signal.aborted) throw error;
    return await once();
  }
}

async function recordOf(journal: Journal, key: string, { rounds: [round] }: SegmentResult): Promise<RoundRecord> {
  return {
    key,
    slice: round.slice,
    slices: round.slices,
    seconds: round.clickSeconds + round.propagateSeconds + round.fuseSeconds,
    propagated: round.propagated,
    digest: await fileDigest(journal.statePath(key)),
  };
}

function toRequest({ slice, clicks }: Round, axis: Axis): RoundRequest {
  return {
    slice,
    clicks: clicks.map(({ voxel, positive }) => {
      const { row, col } = voxelToPixel(voxel, axis);
      return { row, col, positive };
    }),
  };
}
