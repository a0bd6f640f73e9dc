/** One round on its way through the queue, from the job to what the journal says of it. */
import { rename, rm } from "node:fs/promises";
import { maskPath } from "../../engine/mask-bits.js";
import type { MaskMade, SegmentJob, SegmentResult } from "../../engine/protocol.js";
import { LimnetError } from "../../errors.js";
import { fileDigest } from "../../imaging/digest.js";
import type { Journal } from "./journal.js";
import type { ObjectRequest, Workshop } from "./object-request.js";
import { outlinesOf, segmentJob } from "./object-work.js";
import type { StateRecord, Step } from "./rounds/history.js";
import { roundsOf, stateKeys } from "./rounds/program.js";

/** The engine runs other networks than the plan was made for. */
export class OtherWeights extends Error {
  /** `kept`: the round, where it is right under the name that these networks give it. */
  constructor(readonly model: string, readonly kept: StateRecord | null) {
    super("The engine runs other networks than before.");
  }
}

export interface RoundWish {
  readonly step: Step;
  /** Which of its operations. */
  readonly at: number;
  /** File of the state before; null: empty. */
  readonly base: string | null;
  /** Throws OtherWeights where the engine's networks are not those of the step. */
  readonly strict: boolean;
  /** It is the last one of the request. */
  readonly last: boolean;
}

export interface RoundMade {
  readonly record: StateRecord;
  /** Where the mask alone is there yet: resolves to the record with the state's digest. */
  readonly late: Promise<StateRecord> | null;
}

/** Runs one round; once more when the engine died on the way. */
export async function runRound(workshop: Workshop, journal: Journal, request: ObjectRequest, wish: RoundWish): Promise<RoundMade> {
  const { image, signal, watch, device, masked } = request;
  const { step, at, base, strict, last } = wish;
  const key = step.keys[at];
  const { start, axis } = step.way;
  const outlines = start === undefined ? [] : await outlinesOf(journal.startPath(start), image, axis);
  const job = { ...segmentJob(image, step, at, base, journal.statePath(key), outlines), changes: watch?.changes, ...(device && { device }) };
  const round = roundsOf(step.ops.slice(0, at + 1)).length;
  let told: (made: MaskMade) => void = () => {};
  let answered = false;
  const mask = new Promise<MaskMade>((resolve) => {
    told = resolve;
  });
  const once = () => throughQueue(workshop, request, job, round, (made) => {
    if (!last) return;
    masked?.(job.outputs[0]);
    if (request.early && (!strict || made.model === step.weights)) told(made);
  });
  const result = once().catch((error) => {
    if (!(error instanceof LimnetError && error.code === "engine_died") || signal.aborted || answered) throw error;
    return once();
  });
  const first = await Promise.race([mask, result.then(() => null)]);
  if (first !== null) {
    answered = true;
    const record = recordOf(key, first);
    const late = result.then((made) => writtenRecord(journal, key, made));
    // Met by whoever waits for it.
    late.catch(() => undefined);
    watch?.done(record, round);
    return { record, late };
  }
  const made = await result;
  if (strict && made.model !== step.weights) throw new OtherWeights(made.model, await underOwnName(journal, request, wish, made));
  const record = await writtenRecord(journal, key, made);
  watch?.done(record, round);
  return { record, late: null };
}

function throughQueue({ queue }: Workshop, { image, user, signal, watch, place }: ObjectRequest, job: SegmentJob, round: number, masked: (made: MaskMade) => void): Promise<SegmentResult> {
  return queue.run(job, {
    ...place, signal, key: user, about: image.digest,
    onPlace: (before) => watch?.queued(before, round), onProgress: (progress) => {
      watch?.progress(progress, round);
      if (progress.made) masked(progress.made);
    },
  });
}

/** A first round is right under the name of the networks that ran it; any other went on from a state of other networks. */
async function underOwnName(journal: Journal, { watch }: ObjectRequest, { step, at }: RoundWish, result: SegmentResult): Promise<StateRecord | null> {
  const written = journal.statePath(step.keys[at]);
  if (step.ops.slice(0, at).some(({ op }) => op === "round" || op === "take")) {
    await rm(written, { force: true });
    return null;
  }
  const key = stateKeys(step.way, result.model, step.ops.slice(0, at + 1)).at(-1)!;
  await rename(written, journal.statePath(key));
  await rename(maskPath(written), maskPath(journal.statePath(key))).catch(() => undefined);
  const record = await writtenRecord(journal, key, result);
  watch?.done(record, 1);
  return record;
}

async function writtenRecord(journal: Journal, key: string, { rounds: [round], model }: SegmentResult): Promise<StateRecord> {
  return { ...recordOf(key, { round, model }), digest: round.digest ?? (await fileDigest(journal.statePath(key))) };
}

function recordOf(key: string, { round, model }: MaskMade): StateRecord {
  return {
    key,
    slice: round.slice,
    slices: round.slices,
    seconds: round.clickSeconds + round.propagateSeconds + round.fuseSeconds,
    propagated: round.propagated,
    digest: "",
    ...(round.mask !== undefined && { mask: round.mask }),
    model,
  };
}
