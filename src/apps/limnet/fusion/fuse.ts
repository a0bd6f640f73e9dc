/**
 * Multi-round result fusion (paper 2.3, specification 3): slice by slice the better of the last fused result and the
 * current round. Equation 4, F_i = P_i where p_i > 0.5 else C_i, solves equation 1 exactly when p_i is all that is known. The
 * shipped network is trained on both orders and cannot know that the newer round, which has seen more prompts, is the better one
 * in three of four slices: its settings may ask for more than 0.5 (`quality.threshold`, chosen on val pairs).
 */
import type { FusionKind, SliceDecision } from "../../../engine/protocol.js";
import type { Axis, Shape } from "../../../imaging/geometry.js";
import { planeShape, readSlice, writeSlice } from "../../../imaging/slices.js";
import { LimnetError } from "../../../errors.js";
import type { Networks } from "../networks.js";
import type { Plane } from "../view.js";
import { askNetwork, askTruth, type Pair } from "./judge.js";
import { maskFrom } from "./pairs.js";

/** All volumes are on the grid of the image, i fastest. Probabilities are stored 0..255, mask where >= 128. */
export interface FuseInput {
  /** Grey values 0..255 (prepare.ts). */
  readonly grey: Uint8Array;
  readonly shape: Shape;
  /** Axis across which slices are stacked. */
  readonly axis: Axis;
  /** Fused probabilities of the round before; null in the first round: the current set is the result. */
  readonly previous: Uint8Array | null;
  /** Probabilities of this round. */
  readonly current: Uint8Array;
  /** The slice clicked in this round: the user's mask of this round wins. */
  readonly clicked: number;
  /** Slices clicked in earlier rounds: the previous mask is the user's and wins. */
  readonly locked: ReadonlySet<number>;
  /** Slices that the user locked: the previous mask stays, unasked. */
  readonly held?: ReadonlySet<number>;
  readonly kind: FusionKind;
  /** Object = non-zero, on the same grid; needed for kind "oracle" only. */
  readonly truth?: Uint8Array;
  /** Checked before each batch; the reason of the signal is thrown. */
  readonly signal?: AbortSignal;
  /** Awaited between slices, so that something more pressing may go first. */
  readonly pause?: () => Promise<void>;
  /** Slices judged so far, and how many there are to judge. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface FuseResult {
  /** New volume of stored probabilities: each slice is that of the previous or of the current set, unchanged. */
  readonly fused: Uint8Array;
  /** Ascending; clicked slices and slices where the two masks differ. */
  readonly slices: SliceDecision[];
}

/** Pairs per run of the quality network. */
const batchSize = 8;

/** Decides every slice. Throws LimnetError bad_request for "oracle" without truth. */
export async function fuse(networks: Networks, input: FuseInput): Promise<FuseResult> {
  const { previous, current, shape, axis, clicked, locked, kind } = input;
  if (kind === "oracle" && input.truth === undefined) {
    throw new LimnetError("bad_request", "Oracle fusion compares with the truth: give the truth volume, or choose another fusion.");
  }
  const fused = Uint8Array.from(current);
  const decided = new Map<number, SliceDecision>([[clicked, { index: clicked, winner: "user", probability: 1 }]]);
  const doubtful: number[] = [];
  if (previous !== null) {
    for (let index = 0; index < shape[axis]; index++) {
      await input.pause?.();
      if (index === clicked) continue;
      const before = readSlice(previous, shape, axis, index);
      if (input.held?.has(index)) decided.set(index, { index, winner: "locked", probability: 1 });
      else if (locked.has(index)) decided.set(index, { index, winner: "user", probability: 1 });
      else if (!sameMask(before, readSlice(current, shape, axis, index))) {
        doubtful.push(index);
        continue;
      }
      writeSlice(fused, shape, axis, index, before);
    }
    const decisions = await judge(networks, input, previous, doubtful);
    for (const decision of decisions) {
      decided.set(decision.index, decision);
      if (decision.winner === "previous") writeSlice(fused, shape, axis, decision.index, readSlice(previous, shape, axis, decision.index));
    }
  }
  return { fused, slices: [...decided.values()].sort((a, b) => a.index - b.index) };
}

function sameMask(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] >= maskFrom !== b[i] >= maskFrom) return false;
  return true;
}

/** Equation 2 for the slices whose masks differ. */
async function judge(networks: Networks, input: FuseInput, previous: Uint8Array, indices: readonly number[]): Promise<SliceDecision[]> {
  const { shape, axis, kind, signal, onProgress } = input;
  if (kind === "none") return indices.map((index) => ({ index, winner: "current", probability: 1 }));
  const plane = (voxels: Uint8Array, index: number): Plane<Uint8Array> =>
    ({ data: readSlice(voxels, shape, axis, index), ...planeShape(shape, axis) });
  const pair = (index: number): Pair =>
    ({ slice: plane(input.grey, index), previous: plane(previous, index), current: plane(input.current, index) });
  const decisions: SliceDecision[] = [];
  const threshold = kind === "oracle" ? 0.5 : networks.settings.quality.threshold;
  for (let start = 0; start < indices.length; start += batchSize) {
    signal?.throwIfAborted();
    await input.pause?.();
    const batch = indices.slice(start, start + batchSize);
    const better = kind === "oracle"
      ? batch.map((index) => askTruth(pair(index), plane(input.truth!, index).data))
      : await askNetwork(networks, batch.map(pair));
    batch.forEach((index, n) => {
      const p = better[n];
      decisions.push(p > threshold ? { index, winner: "previous", probability: p } : { index, winner: "current", probability: 1 - p });
    });
    onProgress?.(decisions.length, indices.length);
  }
  return decisions;
}
