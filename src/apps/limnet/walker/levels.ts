/**
 * From which probability on a voxel is in the mask. What is unsure belongs to the object more often than not: beside slices that were
 * clicked until they were right, a mask cut at 0.5 left out twice what it wrongly took (docs/training.md). Of unsure pixels the best
 * Dice takes those above half the Dice that is to be had (Lipton, Elkan, Narayanaswamy, ECML 2014). Prompts of one click are too large as
 * often as too small, so less is taken between them and nothing beyond them; from outlines the mask runs on anyway.
 */
import type { LevelSettings } from "../networks.js";
import { hasMask, type StoredPlane } from "../propagation/plane.js";

/** Tells the level of a slice; null where it is the usual 0.5, on prompts too. `planes` hold the prompts; `corrected` are those of them that were corrected, `outlined` those that were drawn and not clicked. */
export function levelsOf(
  planes: readonly StoredPlane[], prompts: Iterable<number>, levels: LevelSettings, corrected: ReadonlySet<number> = new Set(), outlined: ReadonlySet<number> = new Set(),
): (slice: number) => number | null {
  const sorted = [...prompts].sort((a, b) => a - b);
  const full = new Set(sorted.filter((prompt) => hasMask(planes[prompt])));
  return (slice) => {
    const next = sorted.find((prompt) => prompt >= slice);
    if (next === slice) return null;
    // The prompts on both sides that hold the object: two between which it is, or one from which it ends somewhere.
    const beside = [sorted.findLast((prompt) => prompt < slice), next].filter((prompt) => prompt !== undefined && full.has(prompt));
    if (beside.length === 2) return beside.every((prompt) => corrected.has(prompt!) || outlined.has(prompt!)) ? levels.corrected : levels.between;
    return beside.length === 1 && corrected.has(beside[0]!) ? levels.beyond : null;
  };
}

type Clicked = Iterable<{ readonly slice: number; readonly clicks: { readonly length: number } }>;

/** Slices that somebody clicked on more than once, in one round or several. */
export function correctedSlices(rounds: Clicked): Set<number> {
  return new Set([...clicksBySlice(rounds)].filter(([, clicks]) => clicks > 1).map(([slice]) => slice));
}

/** Slices of rounds without clicks: somebody drew them. */
export function outlinedSlices(rounds: Clicked): Set<number> {
  return new Set([...clicksBySlice(rounds)].filter(([, clicks]) => clicks === 0).map(([slice]) => slice));
}

function clicksBySlice(rounds: Clicked): Map<number, number> {
  const count = new Map<number, number>();
  for (const { slice, clicks } of rounds) count.set(slice, (count.get(slice) ?? 0) + clicks.length);
  return count;
}

/** Stored probabilities bent so that `level` (0..1) becomes 0.5; 0 and 1 stay. As they are without a level. */
export function levelled(plane: StoredPlane, level: number | null): StoredPlane {
  if (plane === null || level === null) return plane;
  const bent = Uint8Array.from({ length: 256 }, (_, p) => Math.round(bend(p / 255, level) * 255));
  return plane.map((p) => bent[p]);
}

const bend = (p: number, level: number) => (p < level ? (p * 0.5) / level : 1 - ((1 - p) * 0.5) / (1 - level));
