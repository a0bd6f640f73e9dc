/** The mask that an object starts from: a label that was there before anybody clicked. */
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { writeState } from "../../engine/state.js";
import { LimnetError } from "../../errors.js";
import type { Shape } from "../../imaging/geometry.js";
import type { Journal } from "./journal.js";
import { startsOf } from "./rounds/history.js";

/**
 * Keeps a mask (0 and anything else, grid of the image) beside the journal of its object, as the probabilities that a round goes on
 * from, and returns its name: 32 hex digits of its content. Null for an empty mask, which is where every object starts;
 * `empty`: it is kept too.
 * @throws LimnetError bad_volume for a mask of another size
 */
export async function keepStart(journal: Journal, mask: Uint8Array, shape: Shape, empty: true): Promise<string>;
export async function keepStart(journal: Journal, mask: Uint8Array, shape: Shape): Promise<string | null>;
export async function keepStart(journal: Journal, mask: Uint8Array, shape: Shape, empty = false): Promise<string | null> {
  if (mask.length !== shape[0] * shape[1] * shape[2]) throw new LimnetError("bad_volume", "The starting mask has another size than the image. Send it on the grid of the image.");
  let any = false;
  const volume = mask.map((voxel) => {
    any ||= voxel !== 0;
    return voxel === 0 ? 0 : 255;
  });
  if (!any && !empty) return null;
  const name = createHash("sha256").update(volume).digest("hex").slice(0, 32);
  const file = journal.startPath(name);
  if (!(await stat(file).catch(() => null))) {
    await journal.prepare();
    await writeState(file, volume);
    // Those that were looked at and never clicked on.
    await journal.pruneStarts(new Set([name, ...startsOf(await journal.load())]));
  }
  return name;
}
