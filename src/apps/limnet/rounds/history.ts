/** What is known of one object: its steps, which of them is in force, and the states that are kept. Pure; journal.ts stores it. */
import type { SliceDecision } from "../../../engine/protocol.js";
import type { Click } from "./clicks.js";
import { clicksOf, type Op, sameWay, stateKeys, type Way } from "./program.js";

/** The result of a round (or of a slice taken over), kept on disk. */
export interface StateRecord {
  /** Name of the state (stateKeys); its fused probabilities are `<key>.gz`. */
  readonly key: string;
  /** Clicked slice; null where no round was run. */
  readonly slice: number | null;
  /** What fusion decided (protocol.ts). */
  readonly slices: readonly SliceDecision[];
  /** Click + propagation + fusion. */
  readonly seconds: number;
  /** Slices that the propagation network decoded. */
  readonly propagated: number;
  /** Hex sha256 of the fused file; "" as long as it is not written. */
  readonly digest: string;
  /** Hex sha256 of the mask beside it, which an answer is made of. Absent: there is none, or it is older than that. */
  readonly mask?: string;
  /** Digest of the networks that made it. */
  readonly model: string;
}

/** A step as a line of the journal has it: the first `keep` operations of the step before, then `add`. */
export interface StepDelta {
  readonly way: Way;
  readonly weights: string;
  readonly keep: number;
  readonly add: readonly Op[];
  /** Name of the state after it: shows whether the lines before are all there. */
  readonly key: string;
}

export const actions = ["infer", "round", "undo", "redo", "lock", "unlock", "choose", "submit", "repair"] as const;
export type Action = (typeof actions)[number];

/** One line of the journal: an action that was done. */
export interface Entry {
  readonly version: 2;
  /** Counts the lines of the object, from 1. */
  readonly n: number;
  /** ISO 8601, UTC. */
  readonly time: string;
  /** Who asked: user or client_id. */
  readonly who: string;
  readonly action: Action;
  /** States that were computed for it. */
  readonly ran: readonly StateRecord[];
  /** States of lines before, whose masks were answered with: they are written now, with this digest. */
  readonly wrote?: readonly { readonly key: string; readonly digest: string }[];
  /** New steps behind the one in force; those that were undone before are gone. */
  readonly steps?: readonly StepDelta[];
  /** Number of the step in force from now on, where no new step says it. */
  readonly head?: number;
  /** In words, or what was submitted. */
  readonly note?: string;
}

/** A state that was in force: what an undo goes back to. */
export interface Step {
  readonly way: Way;
  readonly weights: string;
  /** At least one. */
  readonly ops: readonly Op[];
  /** Name of the state after each operation. */
  readonly keys: readonly string[];
}

export interface History {
  readonly steps: readonly Step[];
  /** How many steps are in force: 0 is the empty mask, undo goes one down, redo one up. */
  readonly head: number;
  /** States by name, the oldest run first. */
  readonly records: ReadonlyMap<string, StateRecord>;
  /** Digest of the networks that ran last. */
  readonly model: string | null;
  /** Number of the last line. */
  readonly n: number;
  /** Time of the last submitted label, where nothing was changed since. */
  readonly submitted: string | null;
}

export const emptyHistory: History = { steps: [], head: 0, records: new Map(), model: null, n: 0, submitted: null };

/** The step in force; null before the first click. */
export function stepInForce({ steps, head }: History): Step | null {
  return steps[head - 1] ?? null;
}

/** All clicks in force, in order. */
export function clicksInForce(history: History): Click[] {
  return clicksOf(stepInForce(history)?.ops ?? []);
}

/** A line that does not follow from those before it. */
export class BrokenHistory extends Error {}

/** The history after one more line. Throws BrokenHistory where a line before it is missing. */
export function extendHistory(history: History, entry: Entry): History {
  const records = new Map(history.records);
  for (const record of entry.ran) {
    records.delete(record.key);
    records.set(record.key, record);
  }
  for (const { key, digest } of entry.wrote ?? []) {
    const record = records.get(key);
    if (record) records.set(key, { ...record, digest });
  }
  let { steps, head } = history;
  if (entry.steps) {
    const kept = steps.slice(0, head);
    for (const delta of entry.steps) kept.push(toStep(delta, kept.at(-1)));
    steps = kept;
    head = kept.length;
  }
  if (entry.head !== undefined) head = Math.min(entry.head, steps.length);
  const changed = entry.steps !== undefined || head !== history.head;
  return {
    steps, head, records, n: entry.n, model: entry.ran.at(-1)?.model ?? history.model,
    submitted: entry.action === "submit" ? entry.time : changed ? null : history.submitted,
  };
}

function toStep({ way, weights, keep, add, key }: StepDelta, before: Step | undefined): Step {
  const ops = [...(before?.ops.slice(0, keep) ?? []), ...add];
  const known = before && sameWay(before.way, way) && before.weights === weights ? before.keys.slice(0, keep) : [];
  const keys = stateKeys(way, weights, ops, known);
  if (keys.at(-1) !== key) throw new BrokenHistory("A step does not follow from the steps before it.");
  return { way, weights, ops, keys };
}

/** A step as it is written after the step before it. */
export function toDelta({ way, weights, ops, keys }: Step, before: Step | null): StepDelta {
  const text = (op: Op | undefined) => JSON.stringify(op);
  let keep = 0;
  while (before && keep < ops.length && text(before.ops[keep]) === text(ops[keep])) keep++;
  return { way, weights, keep, add: ops.slice(keep), key: keys.at(-1)! };
}

/** Names of the masks that its steps began with, or took drawn slices from (start.ts): an undo may lead back to each of them. */
export function startsOf({ steps }: History): string[] {
  return [...new Set(steps.flatMap(({ way, ops }) => [...(way.start === undefined ? [] : [way.start]), ...ops.flatMap((op) => (op.op === "outline" ? [op.from] : []))]))];
}

/** States beyond these are deleted; an undo that goes further is computed again. */
export const keptStates = 64;

/**
 * Names of the states to keep: the newest runs, those that the next undos and redos show, what locked and chosen slices were
 * taken from, and those of `more`.
 */
export function statesToKeep({ steps, head, records }: History, more: readonly string[] = []): Set<string> {
  const near = steps.slice(Math.max(0, head - keptStates), head + keptStates);
  return new Set([
    ...[...records.keys()].slice(-keptStates), ...more,
    ...near.flatMap(({ ops, keys }) => [keys.at(-1)!, ...ops.flatMap((op) => (op.op === "take" ? [op.from] : []))]),
  ]);
}
