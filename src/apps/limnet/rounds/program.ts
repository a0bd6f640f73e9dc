/**
 * The program of an object: what was done, in order, from an empty mask to the one in force. The mask is a function of it, so a
 * result that is gone can be computed again, and a kept one is never wrong.
 */
import { createHash } from "node:crypto";
import type { LimnetSettings } from "../../../engine/protocol.js";
import type { Axis } from "../../../imaging/geometry.js";
import type { Click } from "./clicks.js";

/** How the clicks are carried on. Masks of two ways have nothing to do with each other. */
export interface Way {
  /** Name of the model: "limnet", "limnet_2d". */
  readonly model: string;
  readonly axis: Axis;
  readonly settings: LimnetSettings;
  /** The mask that there was before the first round: its name (startName). Absent: the empty mask. */
  readonly start?: string;
}

export type Op =
  /**
   * A round of the method: the clicks of one slice, carried on, fused with what was before. Without clicks: its slice was outlined, and is
   * carried on as it is. `stroke`: the clicks were made of strokes of a brush, so that no client has them in its lists.
   */
  | { readonly op: "round"; readonly slice: number; readonly clicks: readonly Click[]; readonly stroke?: true }
  /** Slices as somebody drew them, of a mask beside the journal (`from`, startName). `prompts`: those of them that are carried on. */
  | { readonly op: "outline"; readonly slices: readonly number[]; readonly from: string; readonly prompts: readonly number[] }
  /** Slices taken over from another state (`from`, a key). */
  | { readonly op: "take"; readonly slices: readonly number[]; readonly from: string }
  /** All slices that are locked from here on, ascending. */
  | { readonly op: "hold"; readonly slices: readonly number[] };

export type RoundOp = Extract<Op, { op: "round" }>;

/** What was drawn and not clicked: no list of a client has it. */
export function isDrawn(op: Op): boolean {
  return op.op === "outline" || (op.op === "round" && (op.clicks.length === 0 || op.stroke === true));
}

export function sameWay(a: Way, b: Way): boolean {
  return wayText(a) === wayText(b);
}

function wayText({ model, axis, settings: { fusion, memory, propagate, window, directions }, start }: Way): string {
  return JSON.stringify([model, axis, fusion, memory, propagate, window, ...(start === undefined ? [] : [start]), ...(directions === "one" ? [{ directions }] : [])]);
}

const hashed = (value: unknown) => createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 32);

/**
 * One name per operation, for the state after it: equal exactly when the way, the networks (`weights`: their digest) and all
 * operations up to here are equal. 32 hex digits; "" for the empty mask. A lock changes no mask, and so no name.
 * `known`: the names of the first operations, where they are known already.
 */
export function stateKeys(way: Way, weights: string, ops: readonly Op[], known: readonly string[] = []): string[] {
  const root = hashed([wayText(way), weights]);
  let key = "";
  let held: readonly number[] = [];
  return ops.map((op, n) => {
    if (op.op === "hold") held = op.slices;
    else if (n < known.length) key = known[n];
    else if (op.op === "take") key = hashed([key || root, "take", op.slices, op.from]);
    else if (op.op === "outline") key = hashed([key || root, "outline", op.slices, op.from, op.prompts]);
    else key = hashed([key || root, "round", op.slice, op.clicks.map(({ voxel, positive }) => [...voxel, positive]), held]);
    return key;
  });
}

/** Slices that are locked after these operations, ascending. */
export function heldAfter(ops: readonly Op[]): readonly number[] {
  return ops.findLast((op) => op.op === "hold")?.slices ?? [];
}

export function roundsOf(ops: readonly Op[]): RoundOp[] {
  return ops.filter((op) => op.op === "round");
}

/** Those that clients know, in order: not what strokes were made into. */
export function clicksOf(ops: readonly Op[]): Click[] {
  return roundsOf(ops).flatMap(({ clicks, stroke }) => (stroke ? [] : clicks));
}
