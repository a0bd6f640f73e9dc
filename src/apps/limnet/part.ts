/** One slice of an image whose other slices are still on their way: clicks into it, its mask back into the grid of the image. */
import type { Shape, Voxel } from "../../imaging/geometry.js";
import type { ImageSource, Params } from "../app.js";
import type { ClickLists } from "./rounds/clicks.js";

export type Part = NonNullable<ImageSource["slice"]>;

/** Slice along k that the clicks of a two-dimensional request lie on; null where they do not say. Checked later, in `parseClicks`. */
export function clickedSlice({ foreground, background, slice, axis }: Params): number | null {
  if ((axis || "auto") !== "auto" && Number(axis) !== 2) return null;
  const given = slice === undefined || slice === null || slice === "" ? -1 : Number(slice);
  const newest = last(foreground) ?? last(background);
  const k = given >= 0 ? given : newest?.[2];
  return Number.isInteger(k) && Number(k) >= 0 ? Number(k) : null;
}

function last(list: unknown): unknown[] | undefined {
  const voxel: unknown = Array.isArray(list) ? list.at(-1) : undefined;
  return Array.isArray(voxel) ? voxel : undefined;
}

/** Clicks of the image as clicks of the one slice. */
export function intoPart({ positives, negatives }: ClickLists, { k }: Part): ClickLists {
  const moved = (voxels: readonly Voxel[]) => voxels.filter((voxel) => voxel[2] === k).map(([i, j]): Voxel => [i, j, 0]);
  return { positives: moved(positives), negatives: moved(negatives) };
}

/** The mask of the slice (nk = 1) in the grid of the image, 0 elsewhere. */
export function outOfPart(mask: Uint8Array, shape: Shape, { k }: Part): Uint8Array {
  const whole = new Uint8Array(shape[0] * shape[1] * shape[2]);
  whole.set(mask, k * shape[0] * shape[1]);
  return whole;
}

/** The result JSON speaks of slices: those of the image. */
export function renumbered(json: Record<string, unknown>, { k }: Part): Record<string, unknown> {
  const said = json.limnet as { slice: number | null; rounds: { slice: number }[]; slices: { index: number }[] };
  return { ...json, limnet: {
    ...said, slice: said.slice === null ? null : k,
    rounds: said.rounds.map((round) => ({ ...round, slice: k })), slices: said.slices.map((one) => ({ ...one, index: k })),
    /** The other slices were still on their way: the grey window is that of this slice. */
    partial: true,
  } };
}
