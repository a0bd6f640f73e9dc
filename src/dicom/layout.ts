/** How a volume whose frames are all there is kept, told before its array is filled: a rescale is worked in on the way. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { arrayOf } from "../imaging/dtype.js";
import type { VolumePlan } from "./plan.js";
import { fill, type Filling, plainWords, type Samples, storedRange } from "./samples.js";
import type { Slice } from "./stack.js";
import { allFit, fitsWords, mayFold, type Storage } from "./storage.js";
import type { DecodedFrame } from "./types.js";

/** How the values of a volume lie in its array. */
export interface Layout {
  readonly type: (new (memory: SharedArrayBuffer) => Samples & { readonly buffer: SharedArrayBuffer }) & (new (memory: ArrayBuffer | number) => Samples) & { readonly BYTES_PER_ELEMENT: number };
  readonly dtype: Storage["dtype"];
  readonly slope: number;
  readonly intercept: number;
  filling(slice: Slice): Filling;
}

/** Decides as `settle` does of a filled array. `frames`: one for each slice of the plan. @throws LimnetError bad_volume where one is too short */
export async function laidOut({ parts, storage, shape }: VolumePlan, frames: readonly DecodedFrame[], signal?: AbortSignal): Promise<Layout> {
  const { dtype, slope, intercept, inverted } = storage;
  const type = arrayOf[dtype];
  const asItIs: Layout = { type, dtype, slope, intercept, filling: (slice) => storage.filling(slice) };
  if (!mayFold(storage, type)) return asItIs;
  const folded: Layout = { type: Int16Array, dtype: "int16", slope: 1, intercept: 0, filling: () => ({ slope, intercept, inverted }) };
  // The bits of a pixel alone may say that everything fits: the 12 of most CT do.
  if (parts.every(({ instance }) => fitsWords(storage, storedRange(instance.format!)))) return folded;
  const scratch = new type(shape[0] * shape[1]);
  for (const [k, slice] of parts.entries()) {
    const words = inverted ? null : plainWords(frames[k], slice.instance.format!);
    if (!words) place(scratch, 0, slice, frames[k], storage.filling(slice));
    if (!allFit(storage, words ?? scratch)) return asItIs;
    if (k % 16 === 15) await nextTurn();
    signal?.throwIfAborted();
  }
  return folded;
}

/** Puts one slice into `out` from `at` on. @throws LimnetError bad_volume where the frame is too short */
export function place(out: Samples, at: number, { instance }: Slice, frame: DecodedFrame, filling: Filling): void {
  fill(out, at, frame, instance.format!, instance.dataset, filling);
}
