/**
 * One object of one user: brings its journal up to the clicks of a request. Requests come one after the other (app.ts).
 * A failure of the engine leaves the journal as it was.
 */
import type { Engine, LimnetSettings, RoundRequest, SegmentJob, SegmentResult } from "../../engine/protocol.js";
import { LimnetError } from "../../errors.js";
import { fileDigest } from "../../imaging/digest.js";
import type { Axis } from "../../imaging/geometry.js";
import { voxelToPixel } from "../../imaging/slices.js";
import type { JobQueue } from "../../jobs/jobs.js";
import type { ImageSource } from "../app.js";
import type { Journal } from "./journal.js";
import type { ClickLists } from "./rounds/clicks.js";
import { extendHistory, type History, type RoundRecord, statesToKeep } from "./rounds/history.js";
import { plan, type Round, type RoundPlan } from "./rounds/plan.js";

export interface ObjectJob {
  readonly image: ImageSource;
  readonly axis: Axis;
  readonly settings: LimnetSettings;
  readonly lists: ClickLists;
  readonly user: string;
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

export interface Workshop {
  readonly engine: Engine;
  readonly queue: JobQueue;
  /** Digest of the networks that the engine runs, where it is known beforehand: results of others are not used. */
  readonly modelDigest?: string;
}

/** Runs what is missing, writes the journal, and says where the result is. */
export async function advance(workshop: Workshop, journal: Journal, job: ObjectJob, signal: AbortSignal): Promise<ObjectState> {
  const before = await journal.load();
  let todo = await planFrom(journal, before, job, workshop.modelDigest);
  let ran: RoundRecord[] = [];
  let model: string | null = null;
  const start = performance.now();
  if (todo.keep < todo.rounds.length) {
    await journal.prepare();
    try {
      let result = await runRounds(workshop, journal, job, todo, signal);
      if (todo.keep > 0 && result.model !== before.model) {
        // The kept rounds come from other networks: they are not a state of these.
        todo = { ...todo, keep: 0 };
        result = await runRounds(workshop, journal, job, todo, signal);
      }
      model = result.model;
      ran = await recordsOf(journal, todo, result);
    } catch (error) {
      await journal.prune(new Set(before.records.keys()));
      throw error;
    }
  }
  const engineSeconds = ran.length > 0 ? (performance.now() - start) / 1000 : 0;
  const entry = { version: 1, time: new Date().toISOString(), clicks: todo.clicks, model, ran } as const;
  const changed = ran.length > 0 || JSON.stringify(before.clicks) !== JSON.stringify(todo.clicks);
  if (changed) await journal.append(entry);
  const history = changed ? extendHistory(before, entry) : before;
  if (ran.length > 0) await journal.prune(statesToKeep(history, todo.keys));
  const last = todo.keys.at(-1);
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

/** Runs the rounds of a plan that are not kept; once more when the engine died on the way. */
async function runRounds(
  { engine, queue }: Workshop, journal: Journal, job: ObjectJob, { rounds, keys, keep }: RoundPlan, signal: AbortSignal,
): Promise<SegmentResult> {
  const requests = rounds.map((round) => toRequest(round, job.axis));
  const segmentJob: SegmentJob = {
    volumePath: job.image.path,
    volumeDigest: job.image.digest,
    axis: job.axis,
    state: { fusedPath: keep > 0 ? journal.statePath(keys[keep - 1]) : null, rounds: requests.slice(0, keep) },
    rounds: requests.slice(keep),
    outputs: keys.slice(keep).map((key) => journal.statePath(key)),
    settings: job.settings,
  };
  const once = () => queue.run((running) => engine.segment(segmentJob, { signal: running }), { signal, key: job.user });
  try {
    return await once();
  } catch (error) {
    if (!(error instanceof LimnetError && error.code === "engine_died") || signal.aborted) throw error;
    return await once();
  }
}

async function recordsOf(journal: Journal, { keys, keep }: RoundPlan, result: SegmentResult): Promise<RoundRecord[]> {
  return Promise.all(result.rounds.map(async (round, n) => ({
    key: keys[keep + n],
    slice: round.slice,
    slices: round.slices,
    seconds: round.clickSeconds + round.propagateSeconds + round.fuseSeconds,
    propagated: round.propagated,
    digest: await fileDigest(journal.statePath(keys[keep + n])),
  })));
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
