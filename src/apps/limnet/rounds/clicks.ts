/** Clicks as clients send them, checked. */
import { LimnetError } from "../../../errors.js";
import type { Shape, Voxel } from "../../../imaging/geometry.js";

export interface Click {
  /** Whole voxel index [i, j, k] inside the volume. */
  readonly voxel: Voxel;
  readonly positive: boolean;
}

/** Clicks of one object in one request, both signs together, unless another number is given. */
export const maxClicks = 1000;

/** The two lists of a request, each in the order of clicking; how the two interleave is not known. */
export interface ClickLists {
  readonly positives: readonly Voxel[];
  readonly negatives: readonly Voxel[];
}

const names = ["i", "j", "k"] as const;

/**
 * Checks `foreground` and `background` of a request against the shape of the volume. A voxel that is twice in one list counts
 * once. Throws LimnetError bad_click: no list of triples, not whole, outside, in both lists, too many.
 */
export function parseClicks(foreground: unknown, background: unknown, shape: Shape, most = maxClicks): ClickLists {
  const positives = parseList("foreground", foreground, shape, most);
  const negatives = parseList("background", background, shape, most);
  const total = positives.length + negatives.length;
  if (total > most) {
    throw new LimnetError("bad_click", `${total} clicks are more than the ${most} that an object may have (LIMNET_MAX_CLICKS). Start a new label, or remove clicks.`);
  }
  const taken = new Set(positives.map(String));
  const both = negatives.find((voxel) => taken.has(String(voxel)));
  if (both) {
    throw new LimnetError("bad_click", `Voxel [${both.join(", ")}] is clicked as foreground and as background. Remove one of the two.`);
  }
  return { positives, negatives };
}

function parseList(name: string, value: unknown, shape: Shape, most: number): Voxel[] {
  if (value === undefined || value === null || value === "") return [];
  if (!Array.isArray(value)) {
    throw new LimnetError("bad_click", `"${name}" must be a list of voxel indices [i, j, k], not ${show(value)}.`);
  }
  if (value.length > 10 * most) {
    throw new LimnetError("bad_click", `"${name}" holds ${value.length} clicks; an object may have ${most} (LIMNET_MAX_CLICKS).`);
  }
  const seen = new Map<string, Voxel>();
  for (const item of value) {
    const voxel = parseVoxel(name, item, shape);
    if (!seen.has(String(voxel))) seen.set(String(voxel), voxel);
  }
  return [...seen.values()];
}

function parseVoxel(name: string, item: unknown, shape: Shape): Voxel {
  if (!Array.isArray(item) || item.length !== 3) {
    throw new LimnetError("bad_click", `A click of "${name}" must be three voxel indices [i, j, k], not ${show(item)}.`);
  }
  const numbers = item.map((x, axis) => {
    if (typeof x !== "number" || !Number.isInteger(x)) {
      throw new LimnetError("bad_click", `${names[axis]} of click ${show(item)} in "${name}" is not a whole number. Round clicks to voxel indices.`);
    }
    if (x < 0 || x >= shape[axis]) {
      throw new LimnetError(
        "bad_click",
        `Click ${show(item)} in "${name}" lies outside the volume: ${names[axis]} must be 0 to ${shape[axis] - 1}. Clicks are voxel indices [i, j, k] of the stored image.`,
      );
    }
    return x + 0;
  });
  return [numbers[0], numbers[1], numbers[2]];
}

/** A value as a short piece of JSON for a message. */
function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
