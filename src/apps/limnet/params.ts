/** `params` of a request (protocol 2.1, 3.3): free-form JSON of many clients, checked and given types. */
import { type Device, parseDevice } from "../../engine/device.js";
import { LimnetError } from "../../errors.js";
import { type Axis, axisCodes, chooseAxis, type Geometry, type Shape } from "../../imaging/geometry.js";
import { maskDtypes, type MaskExtension, maskExtensions } from "../../imaging/mask.js";
import type { Params } from "../app.js";

export type MaskDtype = (typeof maskDtypes)[number];

export interface MaskRequest {
  /** Name of the object, never empty. */
  readonly label: string;
  readonly extension: MaskExtension;
  readonly dtype: MaskDtype;
  /** NRRD data compressed (.nii.gz always is). */
  readonly compress: boolean;
  /** False: JSON only. */
  readonly writeFile: boolean;
  /** Grey window in real values; null: chosen from the volume. */
  readonly window: readonly [number, number] | null;
  /** Absent: the engine's own. */
  readonly device?: Device;
}

/** Longest name of an object, in characters, unless another is given. */
const usualMaxLabel = 256;
const numpyNames = /^(bool_?|u?int(8|16|32|64)?|float(16|32|64)?|double|single|u?byte|u?short|u?long)$/;
const byAnatomy: Record<string, RegExp> = { axial: /[SI]/, coronal: /[AP]/, sagittal: /[LR]/ };

/**
 * Everything but clicks and axis. `imageExtension`: that of the input image, the default of the result.
 * Throws LimnetError bad_params, bad_label_name, unsupported_output.
 */
export function parseMaskRequest(params: Params, imageExtension: string, maxLabel?: number): MaskRequest {
  return {
    label: parseLabel(params.label, maxLabel),
    extension: parseExtension(params.result_extension, imageExtension),
    dtype: parseDtype(params.result_dtype),
    compress: flag(params, "result_compress", false),
    writeFile: flag(params, "result_write_to_file", true),
    window: parseWindow(params.window),
    device: parseDevice(params.device),
  };
}

/** Name of the object that is clicked; two names are two objects, each with its own rounds. */
export function parseLabel(value: unknown, maxLabel = usualMaxLabel): string {
  if (value === undefined || value === null || value === "") return "object";
  if (typeof value !== "string") throw new LimnetError("bad_label_name", `"label" must be the name of the object, a text, not ${show(value)}.`);
  if ([...value].length > maxLabel) throw new LimnetError("bad_label_name", `The label name has ${[...value].length} characters; ${maxLabel} are allowed (LIMNET_MAX_LABEL_LENGTH).`);
  if (/[\p{C}\p{Zl}\p{Zp}]/u.test(value)) throw new LimnetError("bad_label_name", "The label name holds characters that cannot be printed. Use letters, digits, spaces and punctuation.");
  return value;
}

/** Axis across which the volume is cut: "auto" (or absent), 0 | 1 | 2, or "axial" | "coronal" | "sagittal". */
export function parseAxis(value: unknown, geometry: Geometry, shape: Shape): Axis {
  if (value === undefined || value === null || value === "" || value === "auto") return chooseAxis(geometry, shape);
  if (typeof value === "string" && Object.hasOwn(byAnatomy, value)) return axisCodes(geometry).search(byAnatomy[value]) as Axis;
  const axis = Number(value);
  if ((typeof value === "number" || typeof value === "string") && (axis === 0 || axis === 1 || axis === 2)) return axis;
  throw new LimnetError("bad_params", `"axis" must be "auto", "axial", "coronal", "sagittal" or 0, 1, 2 (the voxel axis i, j, k), not ${show(value)}.`);
}

/** Slice of a two-dimensional request; null where the client leaves it to the clicks (absent, or negative). */
export function parseSlice(value: unknown, count: number): number | null {
  if (value === undefined || value === null || value === "") return null;
  const slice = typeof value === "string" ? Number(value) : value;
  if (typeof slice !== "number" || !Number.isInteger(slice) || slice >= count) {
    throw new LimnetError("bad_params", `"slice" must be a whole number from 0 to ${count - 1}, not ${show(value)}.`);
  }
  return slice < 0 ? null : slice;
}

/** Slice numbers as "3-9,14", ascending, each once; "all" for every slice. Throws bad_params. */
export function parseSlices(text: string): number[] | "all" {
  if (text.trim().toLowerCase() === "all") return "all";
  const found = new Set<number>();
  for (const part of text.split(",")) {
    const [, first, last = first] = /^\s*(\d{1,6})(?:\s*-\s*(\d{1,6}))?\s*$/.exec(part) ?? [];
    if (first === undefined || Number(last) < Number(first)) {
      throw new LimnetError("bad_params", `"slices" must be slice numbers and ranges such as 3-9,14 (or all), not ${show(text)}.`);
    }
    for (let slice = Number(first); slice <= Number(last); slice++) found.add(slice);
  }
  return [...found].sort((a, b) => a - b);
}

function parseExtension(value: unknown, imageExtension: string): MaskExtension {
  if (value === undefined || value === null || value === "") {
    return maskExtensions.find((extension) => extension === imageExtension.toLowerCase()) ?? ".nii.gz";
  }
  const wanted = typeof value === "string" ? `.${value.toLowerCase().replace(/^\./, "")}` : "";
  const known = maskExtensions.find((extension) => extension === wanted);
  if (known) return known;
  throw new LimnetError("unsupported_output", `Masks cannot be written as ${show(value)}. Set "result_extension" to one of ${maskExtensions.join(", ")}.`);
}

/** Masks hold 0 and 1, so that every numeric type that is not kept becomes uint8 without loss. */
function parseDtype(value: unknown): MaskDtype {
  if (value === undefined || value === null || value === "") return "uint8";
  const kept = maskDtypes.find((dtype) => dtype === value);
  if (kept) return kept;
  if (typeof value === "string" && numpyNames.test(value)) return "uint8";
  throw new LimnetError("bad_params", `"result_dtype" must be the numpy name of a type (uint8, uint16, int16), not ${show(value)}.`);
}

function parseWindow(value: unknown): [number, number] | null {
  if (value === undefined || value === null || value === "" || value === "auto") return null;
  if (Array.isArray(value) && value.length === 2 && value.every((x) => typeof x === "number" && Number.isFinite(x)) && value[0] < value[1]) {
    return [value[0], value[1]];
  }
  throw new LimnetError("bad_params", `"window" must be "auto" or [low, high] in the image's own values (HU for CT) with low below high, not ${show(value)}.`);
}

function flag(params: Params, name: string, otherwise: boolean): boolean {
  const value = params[name];
  if (value === undefined || value === null || value === "") return otherwise;
  if (value === true || value === 1 || value === "1" || String(value).toLowerCase() === "true") return true;
  if (value === false || value === 0 || value === "0" || String(value).toLowerCase() === "false") return false;
  throw new LimnetError("bad_params", `"${name}" must be true or false, not ${show(value)}.`);
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
