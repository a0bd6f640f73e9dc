/**
 * From the clicks of a request to the rounds of the method (paper 2; a round is a run of consecutive clicks on one slice).
 *
 * The answer to a request is a function of its rounds alone: each round starts from the result of the rounds before it.
 * So a result that was kept for the same leading rounds may be taken instead of computing them, and is never wrong.
 */
import { createHash } from "node:crypto";
import type { Axis, Voxel } from "../../../imaging/geometry.js";
import type { Click, ClickLists } from "./clicks.js";

export interface Round {
  readonly slice: number;
  /** At least one, oldest first. */
  readonly clicks: readonly Click[];
}

export interface RoundPlan {
  /** All clicks, in the order in which they count as clicked. */
  readonly clicks: readonly Click[];
  /** All rounds of these clicks. */
  readonly rounds: readonly Round[];
  /** `roundKeys(rounds)`. */
  readonly keys: readonly string[];
  /** How many leading rounds need not be run: their result is kept. */
  readonly keep: number;
}

const same = (a: Voxel, b: Voxel) => a[0] === b[0] && a[1] === b[1] && a[2] === b[2];

/** Consecutive clicks on one slice are one round. */
export function groupRounds(clicks: readonly Click[], axis: Axis): Round[] {
  const rounds: { slice: number; clicks: Click[] }[] = [];
  for (const click of clicks) {
    const slice = click.voxel[axis];
    const last = rounds.at(-1);
    if (last?.slice === slice) last.clicks.push(click);
    else rounds.push({ slice, clicks: [click] });
  }
  return rounds;
}

/** One name per round, for the state after it: equal exactly when this and all rounds before are equal. 32 hex digits. */
export function roundKeys(rounds: readonly Round[]): string[] {
  let key = "";
  return rounds.map(({ slice, clicks }) => {
    const text = JSON.stringify([key, slice, clicks.map(({ voxel, positive }) => [...voxel, positive])]);
    key = createHash("sha256").update(text).digest("hex").slice(0, 32);
    return key;
  });
}

/**
 * Puts the clicks of both lists in order. Clients send all clicks each time, so the lists are compared with the clicks known
 * from the last request: the longest start of it that both lists begin with is kept (all of it: clicks were added; less:
 * an undo or something new), the rest follows, positives first.
 */
export function orderClicks(history: readonly Click[], { positives, negatives }: ClickLists): Click[] {
  const clicks: Click[] = [];
  let p = 0;
  let n = 0;
  for (const click of history) {
    const next = click.positive ? positives[p] : negatives[n];
    if (next === undefined || !same(next, click.voxel)) break;
    clicks.push(click);
    if (click.positive) p++;
    else n++;
  }
  for (const voxel of positives.slice(p)) clicks.push({ voxel, positive: true });
  for (const voxel of negatives.slice(n)) clicks.push({ voxel, positive: false });
  return clicks;
}

/**
 * What to do for a request. `history`: clicks of the last request, in order. `isKept`: whether the state of this name
 * (roundKeys) is kept. A new click on the slice of the last round makes that round another one: it is run again, whole.
 */
export function plan(history: readonly Click[], lists: ClickLists, axis: Axis, isKept: (key: string) => boolean): RoundPlan {
  const clicks = orderClicks(history, lists);
  const rounds = groupRounds(clicks, axis);
  const keys = roundKeys(rounds);
  return { clicks, rounds, keys, keep: keys.findLastIndex(isKept) + 1 };
}
