/** Protocol "drawn": outlines of whole slices instead of clicks, so that the propagation is measured by itself. */
import { readSlice } from "../imaging/slices.js";
import type { Draws } from "./interact.js";
import { firstSlice, type Round, score, type Task } from "./protocol.js";

/**
 * Slices that a user would outline by hand: the largest, then those at 15 % and 85 % of the object's extent, then the middle of the
 * longest gap. At most as many as hold some of the object.
 */
export function slicesToDraw({ shape, axis, truth }: Task, count: number): number[] {
  const held = Array.from({ length: shape[axis] }, (_, n) => n).filter((n) => readSlice(truth, shape, axis, n).some((v) => v > 0));
  const at = (share: number) => held[Math.round(share * (held.length - 1))];
  const chosen = [...new Set([firstSlice({ shape, axis, truth }), at(0.15), at(0.85)])];
  while (chosen.length < Math.min(count, held.length)) {
    const free = held.filter((n) => !chosen.includes(n));
    const gap = (n: number) => Math.min(...chosen.map((c) => Math.abs(c - n)));
    chosen.push(free.reduce((a, b) => (gap(b) > gap(a) ? b : a)));
  }
  return chosen.slice(0, count);
}

/** Outlines instead of clicks: each round the user gives one more slice, without error. */
export async function runDrawn(task: Task, draws: Draws, rounds: number): Promise<Round[]> {
  const slices = slicesToDraw(task, rounds);
  const done: Round[] = [];
  for (let n = 0; n < rounds; n++) {
    const repeated = done.at(-1);
    if (n >= slices.length && repeated) {
      done.push({ ...repeated, slice: null, seconds: { click: 0, propagate: 0, fuse: 0 } });
      continue;
    }
    const { mask, seconds, kept, propagated } = await draws.draw(task.truth, slices.slice(0, n + 1));
    done.push({ slice: slices[n], clicks: [], mask, ...score(task, mask), seconds, kept, propagated });
  }
  return done;
}
