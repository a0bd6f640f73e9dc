/** How alike two labels of an image are: the mean over their segments. */
import type { Info } from "../../datastore/datastore.js";
import { LimnetError } from "../../errors.js";
import { sameGrid, type Shape, spacing } from "../../imaging/geometry.js";
import { readVolume } from "../../imaging/read.js";
import { dice, overlap, surfaceScores } from "../../imaging/scores.js";
import type { Voxels } from "../../imaging/volume.js";
import { pairSegments, segmentNames } from "./segments.js";

export const measures = ["dice", "surface_dice"] as const;
export type Measure = (typeof measures)[number];

export interface ComparedLabel {
  readonly path: string;
  readonly info: Readonly<Info>;
}

export interface Comparison {
  readonly a: ComparedLabel;
  readonly b: ComparedLabel;
  readonly measure: Measure;
  /** Millimetres; of surface_dice. */
  readonly tolerance: number;
}

/** 0..1; a segment that only one of the two has counts 0, two empty labels are 1. Throws LimnetError bad_volume for labels that cannot be compared. */
export async function compareLabels({ a, b, measure, tolerance }: Comparison): Promise<number> {
  const left = await readVolume(a.path);
  const right = await readVolume(b.path);
  if (!sameGrid(left, right)) {
    throw new LimnetError("bad_volume", `The two labels are not on the same grid (${left.shape.join(" x ")} and ${right.shape.join(" x ")} voxels).`);
  }
  const valuesA = valuesOf(left.voxels);
  const valuesB = valuesOf(right.voxels);
  const pairs = pairSegments(segmentNames(a.info, valuesA), valuesA, segmentNames(b.info, valuesB), valuesB);
  if (pairs.length === 0) return 1;
  const step = spacing(left.geometry);
  const scores = pairs.map((pair) => {
    if (pair.a === null || pair.b === null) return 0;
    return score(only(left.voxels, pair.a), only(right.voxels, pair.b), left.shape, step, measure, tolerance);
  });
  return scores.reduce((sum, one) => sum + one, 0) / scores.length;
}

function score(a: Uint8Array, b: Uint8Array, shape: Shape, step: Shape, measure: Measure, tolerance: number): number {
  return measure === "dice" ? dice(overlap(a, b)) : surfaceScores(a, b, shape, step, tolerance).nsd;
}

const mostValues = 1000;

function valuesOf(voxels: Voxels): number[] {
  const found = new Set<number>();
  let last = 0;
  for (const value of voxels) {
    if (value === last) continue;
    last = value;
    if (value !== 0) found.add(value);
    if (found.size > mostValues) throw new LimnetError("bad_volume", `A label holds more than ${mostValues} values: is it an image?`);
  }
  return [...found].sort((x, y) => x - y);
}

function only(voxels: Voxels, value: number): Uint8Array {
  const out = new Uint8Array(voxels.length);
  for (let at = 0; at < out.length; at++) if (voxels[at] === value) out[at] = 1;
  return out;
}
