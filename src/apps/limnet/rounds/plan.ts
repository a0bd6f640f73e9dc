/**
 * From the clicks of a request to the rounds of the method (paper 2; a round is a run of consecutive clicks on one slice).
 */
import { createHash } from "node:crypto";
import type { Axis, Voxel } from "../../../imaging/geometry.js";
import type { Click, ClickLists } from "./clicks.js";

export interface Round {
  readonly slice: number;
  /** At least one, oldest first. */
  readonly clicks: readonly Click[];
}

const same = (a: Voxel, b: Voxel) => a[0] === b[0] && a[1] === b[1] && a[2] === b[2];

export function sameClick(a: Click, b: Click): boolean {
  return a.positive === b.positive && same(a.voxel, b.voxel);
}

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

/** Whether the lists hold exactly these clicks. */
export function listsAre(clicks: readonly Click[], { positives, negatives }: ClickLists): boolean {
  if (clicks.length !== positives.length + negatives.length) return false;
  let p = 0;
  let n = 0;
  return clicks.every(({ voxel, positive }) => same(positive ? positives[p++] ?? none : negatives[n++] ?? none, voxel));
}

const none: Voxel = [-1, -1, -1];
