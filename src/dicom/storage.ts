/** In which array the values of a volume are kept: exact, and no larger than they need. */
import { arrayOf, type HeldDtype } from "../imaging/dtype.js";
import { allocate } from "../imaging/source.js";
import type { Voxels } from "../imaging/volume.js";
import type { Rescale } from "./instance.js";
import { type Filling, type Samples, storedRange } from "./samples.js";
import type { Slice } from "./stack.js";
import { suvFactor } from "./suv.js";
import { boundsOf, rangeOfWords, rescaleWords, type Words } from "./words.js";

export interface Storage {
  readonly dtype: Exclude<HeldDtype, "float64">;
  /** Of the volume: real = slope * kept + intercept. */
  readonly slope: number;
  readonly intercept: number;
  readonly units: string;
  readonly inverted: boolean;
  readonly notes: readonly string[];
  filling(slice: Slice): Filling;
}

/** Modalities whose values are quantities: how they are shown does not change them. */
const quantities = new Set(["CT", "PT", "NM"]);

/** One rescale for all slices stays outside of the array; where it changes from slice to slice, real values are kept as float32. */
export function planStorage(slices: readonly Slice[], options: { suv?: boolean }): Storage {
  const { instance, frame } = slices[0];
  const inverted = instance.format!.photometric === "MONOCHROME1" && !quantities.has(instance.modality);
  const suv = options.suv && instance.modality === "PT" ? slices.map((slice) => suvFactor(slice.instance.dataset)) : [];
  const missing = suv.find((factor) => typeof factor === "string");
  const factors = missing === undefined ? (suv as number[]) : [];
  const notes = missing === undefined ? [] : [`The values are not turned into SUV: ${missing}.`];
  const units = factors.length > 0 ? "SUVbw" : frame.units;
  const rescales = new Map(slices.map((slice, at) => [slice, scaled(slice.frame.rescale, factors[at] ?? 1)]));
  const { slope, intercept } = rescales.get(slices[0])!;
  const uniform = [...rescales.values()].every((one) => one.slope === slope && one.intercept === intercept);
  if (!uniform) {
    return { dtype: "float32", slope: 1, intercept: 0, units, inverted, notes, filling: (slice) => ({ ...rescales.get(slice)!, inverted }) };
  }
  const ranges = slices.map((slice) => storedRange(slice.instance.format!));
  const dtype = smallest(Math.min(...ranges.map(([low]) => low)), Math.max(...ranges.map(([, high]) => high)));
  return { dtype, slope, intercept, units, inverted, notes, filling: () => ({ slope: 1, intercept: 0, inverted }) };
}

const scaled = ({ slope, intercept }: Rescale, factor: number): Rescale => ({ slope: slope * factor, intercept: intercept * factor });

const limits = { uint8: [0, 255], int8: [-128, 127], uint16: [0, 65535], int16: [-32768, 32767], uint32: [0, 2 ** 32 - 1], int32: [-(2 ** 31), 2 ** 31 - 1] } as const;

function smallest(low: number, high: number): Storage["dtype"] {
  const fits = Object.entries(limits).find(([, [least, most]]) => low >= least && high <= most);
  return fits ? (fits[0] as keyof typeof limits) : "float32";
}

/** @throws LimnetError out_of_memory */
export function makeArray(dtype: Storage["dtype"], voxels: number): Samples {
  const type = arrayOf[dtype];
  return new type(allocate(voxels * type.BYTES_PER_ELEMENT));
}

/**
 * A whole-numbered rescale (the -1024 of a CT) is worked into the values where they fit 16 bits, as every reader of the
 * volume is quicker with plain values; takes `kept` over.
 */
export function settle(kept: Samples, { slope, intercept }: Storage): { voxels: Voxels; slope: number; intercept: number } {
  const asItIs = { voxels: kept, slope, intercept };
  if (!mayFold({ slope, intercept }, kept) || !allFit({ slope, intercept }, kept)) return asItIs;
  const voxels = new Int16Array(kept.buffer, kept.byteOffset, kept.length);
  rescaleWords(voxels, 0, kept as Words, slope, intercept);
  return { voxels, slope: 1, intercept: 0 };
}

/** True where a rescale may be worked into the values, if they fit. */
export function mayFold({ slope, intercept }: Rescale, { BYTES_PER_ELEMENT }: { readonly BYTES_PER_ELEMENT: number }): boolean {
  return !(slope === 1 && intercept === 0) && Number.isInteger(slope) && Number.isInteger(intercept) && BYTES_PER_ELEMENT === 2;
}

/** True where rescaled values of this range fit signed words of 16 bits. */
export function fitsWords({ slope, intercept }: Rescale, [low, high]: readonly [number, number]): boolean {
  const ends = [slope * low + intercept, slope * high + intercept];
  const dtype = smallest(Math.min(...ends, -1), Math.max(...ends));
  return dtype === "int8" || dtype === "int16";
}

/** True where every one of the values, rescaled, fits signed words of 16 bits. */
export function allFit(rescale: Rescale, values: Samples): boolean {
  return ((values instanceof Uint16Array || values instanceof Int16Array) && fitsWords(rescale, boundsOf(values))) || fitsWords(rescale, rangeOf(values));
}

/** Smallest and largest value. */
function rangeOf(values: Samples): readonly [number, number] {
  if (values instanceof Uint16Array || values instanceof Int16Array) return rangeOfWords(values);
  let [low, high] = [Infinity, -Infinity];
  for (let at = 0; at < values.length; at++) {
    const value = values[at];
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}
