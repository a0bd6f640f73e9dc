/** The two kinds of work that make a new state: a job for the engine, and slices taken over from another state. */
import { writeMaskBits } from "../../engine/mask-bits.js";
import { readState, writeState } from "../../engine/state.js";
import type { RoundRequest, SegmentJob } from "../../engine/protocol.js";
import type { Axis } from "../../imaging/geometry.js";
import { readHeader } from "../../imaging/read.js";
import { readSlice, voxelToPixel, writeSlice } from "../../imaging/slices.js";
import type { ImageSource } from "../app.js";
import type { Journal } from "./journal.js";
import { readMask } from "./read-mask.js";
import type { StateRecord, Step } from "./rounds/history.js";
import { heldAfter, type Op, type RoundOp } from "./rounds/program.js";
import { outlinesIn } from "./rounds/drawn.js";

/**
 * What an opened label (`start`: its state, at `path`) is worth to the rounds that go on from it: some of its slices are prompts (outlinesIn),
 * so that a click mends the label and does not take its place. Rounds without clicks, ascending; none for an empty mask.
 */
export async function outlinesOf(path: string, image: ImageSource, axis: Axis): Promise<RoundRequest[]> {
  const { shape } = await readHeader(image.path);
  const mask = await readMask(path, shape);
  const { prompts, sparse } = outlinesIn(mask, shape, axis);
  return prompts.map((slice) => ({ slice, clicks: [], ...(sparse && { drawn: true }) }));
}

/** The job of the round at operation `at` of a step, from the state before it (`base`; null: none). `outlines`: prompts that no round made. */
export function segmentJob(image: ImageSource, { way, ops }: Step, at: number, base: string | null, output: string, outlines: readonly RoundRequest[] = []): SegmentJob {
  const before = ops.slice(0, at);
  const held = heldAfter(before);
  return {
    volumePath: image.path,
    volumeDigest: image.digest,
    axis: way.axis,
    state: { fusedPath: base, rounds: [...outlines, ...before.flatMap((op, n) => promptsOf(op, way.axis, way.start === undefined && before.slice(0, n).every(isHold)))] },
    rounds: [toRequest(ops[at] as RoundOp, way.axis)],
    outputs: [output],
    masks: true,
    settings: way.settings,
    ...(held.length > 0 && { held }),
  };
}

const isHold = (op: Op) => op.op === "hold";

/**
 * The rounds that an operation is to those after it. `first`: there was nothing before it. Where the object ends is told by the outlines that it
 * began with; slices that were mended may lie anywhere in it, and of a whole label it is known.
 */
function promptsOf(op: Op, axis: Axis, first: boolean): RoundRequest[] {
  if (op.op === "outline") return op.prompts.map((slice) => ({ slice, clicks: [], ...(first && op.prompts.length === op.slices.length && { drawn: true }) }));
  return op.op === "round" ? [toRequest(op, axis)] : [];
}

function toRequest({ slice, clicks }: RoundOp, axis: Axis): RoundRequest {
  return {
    slice,
    clicks: clicks.map(({ voxel, positive }) => {
      const { row, col } = voxelToPixel(voxel, axis);
      return { row, col, positive };
    }),
  };
}

/** Writes the state of a "take" or an "outline": `base` with the slices of `from`. Both null: the empty mask. */
export async function takeSlices(
  journal: Journal, image: ImageSource, { way, weights, ops, keys }: Step, at: number, base: string | null, from: string | null,
): Promise<StateRecord> {
  const op = ops[at];
  if (op.op !== "take" && op.op !== "outline") throw new TypeError("no slices to take over");
  const start = performance.now();
  const { shape } = await readHeader(image.path);
  const voxels = shape[0] * shape[1] * shape[2];
  const read = async (path: string | null) => (path === null ? new Uint8Array(voxels) : readState(path, voxels));
  const volume = Uint8Array.from(await read(base));
  const source = await read(from);
  for (const slice of op.slices) writeSlice(volume, shape, way.axis, slice, readSlice(source, shape, way.axis, slice));
  const path = journal.statePath(keys[at]);
  const [digest] = await Promise.all([writeState(path, volume), writeMaskBits(path, volume)]);
  return {
    key: keys[at], slice: null, slices: [], seconds: (performance.now() - start) / 1000, propagated: 0, digest, model: weights,
  };
}
