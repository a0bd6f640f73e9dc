/**
 * From which probability on a voxel is in the mask. What is unsure belongs to the object more often than not: beside slices that were
 * clicked until they were right, a mask cut at 0.5 left out twice what it wrongly took (docs/training.md). Of unsure pixels the best
 * Dice takes those above half the Dice that is to be had (Lipton, Elkan, Narayanaswamy, ECML 2014). Prompts of one click are too large as
 * often as too small, so less is taken between them and nothing beyond them.
 */
import type { LevelSettings } from "../networks.js";
import { hasMask, type StoredPlane } from "../propagation/plane.js";

/** Tells the level of a slice; null where it is the usual 0.5, on prompts too. `planes` hold the prompts; `corrected` are those of them that were corrected. */
export function levelsOf(
  planes: readonly StoredPlane[], prompts: Iterable<number>, levels: LevelSettings, corrected: ReadonlySet<number> = new Set(),
): (slice: number) => number | null {
  const sorted = [...prompts].sort((a, b) => a - b);
  const full = new Set(sorted.filter((prompt) => hasMask(planes[prompt])));
  return (slice) => {
    const next = sorted.find((prompt) => prompt >= slice);
    if (next === slice) return null;
    // The prompts on both sides that hold the object: two between which it is, or one from which it ends somewhere.
    const beside = [sorted.findLast((prompt) => prompt < slice), next].filter((prompt) => prompt !== undefined && full.has(prompt));
    const sure = beside.every((prompt) => corrected.has(prompt!));
    if (beside.length === 2) return sure ? levels.corrected : levels.between;
    return beside.length === 1 && sure ? levels.beyond : null;
  };
}

/** Slices that somebody clicked on more than once, in one round or several, or drew (a round without clicks). */
export function correctedSlices(rounds: Iterable<{ readonly slice: number; readonly clicks: { readonly length: number } }>): Set<number> {
  const count = new Map<number, number>();
  for (const { slice, clicks } of rounds) count.set(slice, (count.get(slice) ?? 0) + (clicks.length === 0 ? Infinity : clicks.length));
  return new Set([...count].filter(([, clicks]) => clicks > 1).map(([slice]) => slice));
}

/** Stored probabilities bent so that `level` (0..1) becomes 0.5; 0 and 1 stay. As they are without a level. */
export function levelled(plane: StoredPlane, level: number | null): StoredPlane {
  if (plane === null || level === null) return plane;
  const bent = Uint8Array.from({ length: 256 }, (_, p) => Math.round(bend(p / 255, level) * 255));
  return plane.map((p) => bent[p]);
}

const bend = (p: number, level: number) => (p < level ? (p * 0.5) / level : 1 - ((1 - p) * 0.5) / (1 - level));
