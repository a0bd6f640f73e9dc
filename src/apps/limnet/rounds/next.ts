/**
 * What a request makes of the history: a move among the steps that are there, or new steps. Clients of MONAI Label send all
 * clicks each time, so that their lists say by themselves what is new.
 */
import { LimnetError } from "../../../errors.js";
import type { Click, ClickLists } from "./clicks.js";
import { type History, type Step, stepInForce } from "./history.js";
import { groupRounds, listsAre, orderClicks, sameClick } from "./plan.js";
import { clicksOf, heldAfter, isDrawn, type Op, roundsOf, sameWay, stateKeys, type Way } from "./program.js";

export type Next =
  /** Step `head` is in force from now on; nothing is new. */
  | { readonly kind: "move"; readonly head: number }
  /** New steps, in order; the last is in force then. */
  | { readonly kind: "steps"; readonly steps: readonly Step[] }
  /** No clicks, and none of this way were known: an empty mask, and nothing changes. */
  | { readonly kind: "nothing" };

/**
 * The clicks of a request against the history. Lists that a step of the line already has are a move to it (a shorter list: undo;
 * the longer one again: redo; the nearest step where several have them). Anything else is new: one step per round that it brings.
 * Locked slices stay as they are, also where rounds are run again because clicks in the middle went; what was drawn by hand is done again then,
 * and stays in force when the last click goes.
 * Throws LimnetError slice_locked: a new click on a locked slice, or another axis while slices are locked.
 */
export function nextOfClicks(history: History, way: Way, weights: string, lists: ClickLists): Next {
  const inForce = stepInForce(history);
  const base = history.steps.slice(0, history.head).findLast((step) => sameWay(step.way, way)) ?? null;
  const none = lists.positives.length + lists.negatives.length === 0;
  if (none && !base?.ops.some(isDrawn)) return base === null ? { kind: "nothing" } : { kind: "move", head: 0 };
  const known = nearest(history, (step) => sameWay(step.way, way) && step.weights === weights && listsAre(clicksOf(step.ops), lists));
  if (known !== null) return { kind: "move", head: known };

  const before = clicksOf(base?.ops ?? []);
  const clicks = orderClicks(before, lists);
  const locked = heldAfter(inForce?.ops ?? []);
  if (inForce && locked.length > 0) {
    if (inForce.way.axis !== way.axis) throw otherAxis(inForce.way.axis, way.axis);
    const news = clicks.filter((click) => !before.some((old) => sameClick(old, click)));
    const hit = news.find(({ voxel }) => locked.includes(voxel[way.axis]));
    if (hit) throw lockedSlice(hit.voxel[way.axis]);
  }

  const start = base !== null && base.weights === weights ? commonStart(base.ops, clicks) : { ops: [], used: 0 };
  let ops: readonly Op[] = [...start.ops, ...(base?.ops.slice(start.ops.length).filter(isDrawn) ?? [])];
  const rest = clicks.slice(start.used);
  const last = ops.at(-1);
  if (last?.op === "round" && !isDrawn(last) && last.slice === rest[0]?.voxel[way.axis]) {
    // Another click on the slice of the last round makes that round another one: it is run again, whole.
    rest.unshift(...last.clicks);
    ops = ops.slice(0, -1);
  }
  const rounds: Op[] = groupRounds(rest, way.axis).map((round) => ({ op: "round", ...round }));
  const goesOn = base === inForce && ops.length >= lastHold(base?.ops ?? []);
  const fixed = !goesOn && (locked.length > 0 || heldAfter(ops).length > 0);
  const toStep = (all: readonly Op[]): Step => ({ way, weights, ops: all, keys: stateKeys(way, weights, all) });
  if (!fixed) {
    const steps = rounds.map((_, n) => toStep([...ops, ...rounds.slice(0, n + 1)]));
    return { kind: "steps", steps: steps.length > 0 ? steps : [toStep(ops)] };
  }
  // The way to the locked slices is not run again, so they are taken from where they are.
  const still = heldAfter(ops).filter((slice) => locked.includes(slice) && !rounds.some((round) => round.op === "round" && round.slice === slice));
  const program: Op[] = [...ops];
  if (still.length !== heldAfter(ops).length) program.push({ op: "hold", slices: still });
  program.push(...rounds);
  if (locked.length > 0) program.push({ op: "take", slices: locked, from: inForce!.keys.at(-1)! }, { op: "hold", slices: locked });
  return { kind: "steps", steps: [toStep(program)] };
}

/** Number after the last operation that locks. */
function lastHold(ops: readonly Op[]): number {
  return ops.findLastIndex((op) => op.op === "hold") + 1;
}

/** The step nearest to the one in force for which it holds, backwards first; null where there is none. */
function nearest({ steps, head }: History, holds: (step: Step) => boolean): number | null {
  for (let distance = 0; distance < steps.length + 1; distance++) {
    for (const number of [head - distance, head + distance]) {
      const step = steps[number - 1];
      if (step && holds(step)) return number;
    }
  }
  return null;
}

/** The leading operations that these clicks also lead to, and how many of the clicks they use. */
function commonStart(ops: readonly Op[], clicks: readonly Click[]): { ops: readonly Op[]; used: number } {
  let used = 0;
  for (const [n, op] of ops.entries()) {
    if (op.op !== "round" || isDrawn(op)) continue;
    const fits = op.clicks.every((click, i) => clicks[used + i] !== undefined && sameClick(click, clicks[used + i]));
    if (!fits) return { ops: ops.slice(0, n), used };
    used += op.clicks.length;
  }
  return { ops, used };
}

/** Slices that somebody drew. */
export interface Drawing {
  /** The way of the step in force, or a new one. */
  readonly way: Way;
  readonly weights: string;
  /** Slices that are taken over from the mask `from` (start.ts), ascending; none: the strokes alone. */
  readonly slices: readonly number[];
  readonly from: string;
  /** Those of them that are carried on. */
  readonly prompts: readonly number[];
  /** The slice whose round carries them; null where nothing is missing between them, so that they are taken as they are. */
  readonly carried: number | null;
  /** What strokes of a brush were made into. */
  readonly strokes: readonly Click[];
}

/**
 * Slices drawn by hand, and strokes, behind what is in force. Strokes that were done already are left out, since clients send them again.
 * Throws LimnetError slice_locked: on a locked slice, or across another axis while slices are locked.
 */
export function nextOfDrawing(history: History, { way, weights, slices, from, prompts, carried, strokes }: Drawing): Next {
  const inForce = stepInForce(history);
  const locked = heldAfter(inForce?.ops ?? []);
  const before = inForce !== null && sameWay(inForce.way, way) ? inForce.ops : [];
  if (locked.length > 0 && before.length === 0) throw otherAxis(inForce!.way.axis, way.axis);
  const done = before.flatMap((op) => (op.op === "round" && op.stroke ? op.clicks : []));
  const fresh = strokes.filter((click) => !done.some((old) => sameClick(old, click)));
  const hit = [...slices, ...fresh.map(({ voxel }) => voxel[way.axis])].find((slice) => locked.includes(slice));
  if (hit !== undefined) throw lockedSlice(hit);
  const ops: Op[] = [...before];
  if (slices.length > 0) ops.push({ op: "outline", slices, from, prompts });
  if (slices.length > 0 && carried !== null) ops.push({ op: "round", slice: carried, clicks: [] });
  ops.push(...groupRounds(fresh, way.axis).map((round): Op => ({ op: "round", ...round, stroke: true })));
  if (ops.length === before.length) return before.length === 0 ? { kind: "nothing" } : { kind: "move", head: history.head };
  return { kind: "steps", steps: [{ way, weights, ops, keys: stateKeys(way, weights, ops) }] };
}

/** A step that goes on from the one in force. Throws nothing_clicked where there is none. */
function extended(history: History, add: readonly Op[]): Next {
  const { way, weights, ops } = clickedStep(history);
  const all = [...ops, ...add];
  return { kind: "steps", steps: [{ way, weights, ops: all, keys: stateKeys(way, weights, all) }] };
}

/** The step in force. Throws nothing_clicked where there is none. */
export function clickedStep(history: History): Step {
  const step = stepInForce(history);
  if (step) return step;
  throw new LimnetError("nothing_clicked", "Nothing is clicked in this label yet, so it has no slices to lock, unlock or choose. Click first (POST /infer/limnet), or redo.");
}

function otherAxis(locked: number, asked: number): LimnetError {
  return new LimnetError("slice_locked", `Slices are locked across axis ${"ijk"[locked]}, and a round across axis ${"ijk"[asked]} would change them. Unlock them first (POST /limnet/v1/unlock), or use another label.`);
}

export function lockedSlice(slice: number): LimnetError {
  return new LimnetError("slice_locked", `Slice ${slice} is locked, so no click or brush changes it. Unlock it first (POST /limnet/v1/unlock with slices=${slice}).`);
}

/** `locked`: whether these slices shall be locked; the others stay as they are. */
export function nextOfLock(history: History, slices: readonly number[], locked: boolean): Next {
  const { ops } = clickedStep(history);
  const before = heldAfter(ops);
  const after = locked ? [...new Set([...before, ...slices])].sort((a, b) => a - b) : before.filter((slice) => !slices.includes(slice));
  if (after.length === before.length) return { kind: "move", head: history.head };
  return extended(history, [{ op: "hold", slices: after }]);
}

/** Slice `slice` as it was after round `round` (from 1). Throws slice_locked, bad_params. */
export function nextOfChoice(history: History, slice: number, round: number): Next {
  const { ops, keys } = clickedStep(history);
  const count = roundsOf(ops).length;
  if (round < 1 || round > count) {
    throw new LimnetError("bad_params", `There is no round ${round}: this label has ${count === 1 ? "one round" : `rounds 1 to ${count}`} now. GET /limnet/v1/rounds lists them.`);
  }
  if (heldAfter(ops).includes(slice)) throw lockedSlice(slice);
  let seen = 0;
  const at = ops.findIndex((op) => op.op === "round" && ++seen === round);
  return extended(history, [{ op: "take", slices: [slice], from: keys[at] }]);
}
