/** From prompt masks to the current set C: all slices of the volume (paper 2.2, equations 5 and 6; specification 2.11). */
import { LimnetError } from "../../../errors.js";
import { boxAbove } from "../click/zoom.js";
import { denoisedSource } from "../denoise.js";
import { union } from "../fusion/pairs.js";
import type { Networks } from "../networks.js";
import { Direction, type Field, type Step } from "./direction.js";
import { PermanentBlock } from "./encode.js";
import { type FeatureCache, Features, type SliceSource } from "./features.js";
import { Gathering } from "./gathering.js";
import { type Gaps, planRuns, type Prompt, type Run, resumed } from "./plan.js";
import { hasMask, maskFrom, quantise, type StoredPlane } from "./plane.js";
import { gainFor } from "./gain.js";
import { regionAround } from "./region.js";

export interface PropagateInput {
  readonly networks: Networks;
  readonly source: SliceSource;
  readonly cache: FeatureCache;
  /** Digest of the networks, for the cache. */
  readonly model?: string;
  /** Probabilities 0..1 per prompt slice, whole slices; empty ones (nothing from 0.5 on) are walls. Holds the clicked slice. */
  readonly prompts: ReadonlyMap<number, Float32Array>;
  /** Where the user clicked in this round: work starts there. */
  readonly clicked: number;
  /** "permanent": all prompts stay in memory. "literal": equations 5 and 6 as printed: only the clicked slice is a prompt. */
  readonly mode: "permanent" | "literal";
  readonly gaps?: Gaps;
  /** Checked between slices. */
  readonly signal?: AbortSignal;
  /** Awaited between slices, so that something more pressing may go first. */
  readonly pause?: () => Promise<void>;
  /** A slice is final: prompt slices first, then outward, at last those that no direction reached. Every slice once. */
  readonly onSlice?: (index: number, plane: StoredPlane, done: number) => void;
}

export interface PropagateResult {
  /** Per slice the stored probabilities, null where empty. Prompt slices hold their prompt. */
  readonly planes: readonly StoredPlane[];
  /** 1 - Dice of the two directions' masks, by slice: where both reached the slice and at least one found the object. */
  readonly disagreement: ReadonlyMap<number, number>;
  /** Slices that the network decoded. */
  readonly decoded: number;
  /** The slices as they were looked at: with less noise where the object is large (denoise.ts). */
  readonly seen: SliceSource;
}

/** Throws the reason of the signal, or engine_cancelled where that is no error of the catalogue. */
export function checkCancel(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  if (signal.reason instanceof LimnetError) throw signal.reason;
  throw new LimnetError("engine_cancelled", "The job was cancelled before it was done.", { cause: signal.reason });
}

/**
 * Propagates prompts through the volume. Directions take turns (t+1, t-1, t+2, …), first those of the clicked slice.
 * Results do not depend on the cache. Errors: engine_cancelled; whatever the networks throw.
 */
export async function propagate(input: PropagateInput): Promise<PropagateResult> {
  const { source, clicked, mode, gaps = "blend" } = input;
  const gathering = new Gathering(source.count, input.onSlice);
  const prompts = new Map<number, StoredPlane>();
  for (const [slice, map] of [...input.prompts].sort(([a], [b]) => a - b)) {
    if (mode === "literal" && slice !== clicked) continue;
    const plane = Uint8Array.from(map, quantise);
    gathering.settle(slice, plane);
    prompts.set(slice, hasMask(plane) ? plane : null);
  }
  const list: Prompt[] = [...prompts].map(([slice, plane]) => ({ slice, wall: plane === null }));
  const waiting = planRuns(list, clicked, source.count, gaps);
  let decoded = 0;
  let seen = source;
  if (waiting.length > 0) {
    const field = prepareField(input, prompts);
    seen = field.features.source;
    while (waiting.length > 0) {
      const { from } = waiting[0];
      const group: Run[] = [];
      while (waiting[0]?.from === from) group.push(waiting.shift()!);
      const ends = await takeTurns(field, group, (step, run) => {
        if (step.decoded) gathering.add(step.index, step.plane, run.share(step.index));
        if (step.decoded) decoded++;
      });
      for (const { run, at } of ends) {
        if (gaps === "through") waiting.push(...resumed(list, at, run.step, run.until));
        else for (let i = at + run.step; i !== run.until; i += run.step) gathering.miss(i, run.share(i));
      }
    }
  }
  gathering.finish();
  return { planes: gathering.planes, disagreement: gathering.disagreement, decoded, seen };
}

/** Runs directions of one prompt slice by turns; answers where each of them ended. */
async function takeTurns(field: Field, runs: readonly Run[], onStep: (step: Step, run: Run) => void): Promise<{ run: Run; at: number }[]> {
  const directions = runs.map((run) => ({ run, direction: new Direction(field, run.from, run.step, run.until) }));
  for (const { direction } of directions) if (!direction.done) await direction.start();
  for (let active = directions; active.length > 0; ) {
    active = active.filter(({ direction }) => !direction.done);
    for (const { run, direction } of active) {
      await field.check();
      onStep(await direction.next(), run);
    }
  }
  return directions.map(({ run, direction }) => ({ run, at: direction.at }));
}

function prepareField(input: PropagateInput, prompts: ReadonlyMap<number, StoredPlane>): Field {
  const { networks, source, cache, model, clicked } = input;
  const { rows, cols } = source;
  const check = async () => {
    checkCancel(input.signal);
    await input.pause?.();
  };
  const boxes = [...prompts.values()].map((data) => (data === null ? null : boxAbove({ data, rows, cols }, maskFrom - 1)));
  const region = regionAround(boxes.reduce(union, null), source, networks.settings.propagation);
  const { denoise, propagation: { region: { expansion } } } = networks.settings;
  const seen = denoisedSource(source, region.side / expansion, denoise);
  const features = new Features(networks, seen, cache, model, gainFor(seen, region, prompts));
  return {
    networks, features, prompts, region, check,
    permanent: new PermanentBlock({ networks, features, prompts, clicked, check }),
    scratch: { data: new Float32Array(rows * cols), rows, cols },
  };
}
