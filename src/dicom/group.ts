/** Which frames of a series belong to one volume. Every rule says why, so that a person can follow it. */
import { norm, type Vec3 } from "../imaging/affine.js";
import type { Instance } from "./instance.js";
import { splitRepeats } from "./repeats.js";
import { formatProblem } from "./samples.js";
import { isPlaced, type Slice } from "./stack.js";
import type { SkippedInstance } from "./types.js";

export interface Group {
  readonly slices: readonly Slice[];
  /** What tells this volume from others of the same kind: "echo 2"; "" where nothing had to. */
  readonly trait: string;
  readonly localizer: boolean;
  readonly placed: boolean;
}

export interface Grouping {
  readonly groups: readonly Group[];
  readonly skipped: readonly SkippedInstance[];
}

/** Largest difference of a direction cosine, and of a relative pixel spacing, inside one volume: scanners write few digits. */
const tolerance = 1e-3;

/** Modalities whose slices make no volume without a place in space. */
const spatial = new Set(["CT", "MR", "PT"]);

/** Every instance ends in a group or among the skipped. */
export function groupSlices(instances: readonly Instance[]): Grouping {
  const skipped: SkippedInstance[] = [];
  const kinds: Slice[][] = [];
  for (const instance of instances) {
    const reason = unfit(instance);
    if (reason) skipped.push(skip(instance, reason));
    else for (const frame of instance.frames) put(kinds, { instance, frame });
  }
  const groups: Group[] = [];
  for (const slices of kinds) {
    const placed = isPlaced(slices[0].frame);
    const { parts, problem, copies } = placed ? splitRepeats(slices) : { parts: [{ slices: unplacedOrder(slices), trait: "" }], problem: unplacedProblem(slices), copies: [] };
    for (const { instance } of copies) skipped.push(skip(instance, "it is a copy of another image of the series"));
    if (problem) for (const { instance } of slices) skipped.push(skip(instance, problem));
    else for (const part of parts) groups.push({ ...part, placed, localizer: slices[0].frame.localizer });
  }
  return { groups: groups.sort(byWorth), skipped: unique(skipped) };
}

/** Why an instance is no part of a scan, in words that end a sentence; null where it is. */
export function unfit(instance: Instance): string | null {
  if (/^1\.2\.840\.10008\.5\.1\.4\.1\.1\.66\.[47]$/.test(instance.sopClassUid)) return "it is a segmentation, not a scan";
  if (instance.sopClassUid === "1.2.840.10008.5.1.4.1.1.481.2") return "it is a dose distribution, not a scan";
  if (!instance.format || instance.frames.length === 0) return "it holds no image";
  const problem = formatProblem(instance.format);
  if (problem) return problem;
  if (instance.frames.some(({ rescale }) => rescale.slope === 0)) return "its rescale slope is zero, so all its values are one";
  if (instance.dataset.has("ModalityLUTSequence")) return "its values are given by a table (Modality LUT), which is not read";
  const [{ orientation }] = instance.frames;
  if (orientation && !isOrthonormal(orientation)) return "its row and column directions are not at a right angle";
  return null;
}

function isOrthonormal([row, column]: readonly [Vec3, Vec3]): boolean {
  const dot = row[0] * column[0] + row[1] * column[1] + row[2] * column[2];
  return Math.abs(dot) < 1e-2 && Math.abs(norm(row) - 1) < 1e-2 && Math.abs(norm(column) - 1) < 1e-2;
}

/** Adds the slice to the kind whose first slice it matches. */
function put(kinds: Slice[][], slice: Slice): void {
  const kind = kinds.find(([first]) => alike(first, slice));
  if (kind) kind.push(slice);
  else kinds.push([slice]);
}

function alike(a: Slice, b: Slice): boolean {
  const [fa, fb] = [a.instance.format!, b.instance.format!];
  return a.instance.seriesInstanceUid === b.instance.seriesInstanceUid
    && a.instance.frameOfReferenceUid === b.instance.frameOfReferenceUid
    && fa.rows === fb.rows && fa.columns === fb.columns && fa.samplesPerPixel === fb.samplesPerPixel && fa.photometric === fb.photometric
    && a.frame.localizer === b.frame.localizer
    && isPlaced(a.frame) === isPlaced(b.frame)
    // Frames of different clips lie one behind the other in time, not in space.
    && (isPlaced(a.frame) || a.instance === b.instance || (!a.instance.multiFrame && !b.instance.multiFrame))
    && near(a.frame.orientation?.flat(), b.frame.orientation?.flat(), () => tolerance)
    && near(a.frame.pixelSpacing, b.frame.pixelSpacing, (size) => tolerance * size);
}

function near(a: readonly number[] | null | undefined, b: readonly number[] | null | undefined, allowed: (size: number) => number): boolean {
  if (!a || !b) return !a === !b;
  return a.every((value, at) => Math.abs(value - b[at]) <= allowed(Math.abs(value)));
}

function unplacedOrder(slices: readonly Slice[]): Slice[] {
  return [...slices].sort((a, b) => (a.instance.instanceNumber ?? 0) - (b.instance.instanceNumber ?? 0) || a.frame.number - b.frame.number);
}

/** Scans before localisers, more slices before fewer, then more pixels, then the earlier one. */
function byWorth(a: Group, b: Group): number {
  const pixels = ({ slices: [{ instance: { format } }] }: Group) => format!.rows * format!.columns;
  const first = ({ slices }: Group) => Math.min(...slices.slice(0, 1000).map(({ instance, frame }) => (instance.instanceNumber ?? 0) * 1e6 + frame.number));
  return Number(a.localizer) - Number(b.localizer) || Number(b.placed) - Number(a.placed) || b.slices.length - a.slices.length
    || pixels(b) - pixels(a) || first(a) - first(b);
}

function skip({ sopInstanceUid, sopClassUid }: Instance, reason: string): SkippedInstance {
  return { sopInstanceUid, sopClassUid, reason };
}

function unique(skipped: readonly SkippedInstance[]): SkippedInstance[] {
  return [...new Map(skipped.map((one) => [`${one.sopInstanceUid}|${one.reason}`, one])).values()];
}

/** Why several slices without a place make no volume; null where they may be looked at one by one. */
function unplacedProblem(slices: readonly Slice[]): string | null {
  const { modality, multiFrame } = slices[0].instance;
  // The frames of one object have an order, if no distance.
  if (slices.length === 1 || multiFrame || !spatial.has(modality)) return null;
  return `the ${slices.length} images of modality ${modality} do not say where they lie in the patient`;
}
