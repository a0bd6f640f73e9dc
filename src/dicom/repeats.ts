/**
 * Several images of one place: echoes, phases, b-values, a scan that was taken twice. They are told apart by the first
 * attribute that does so; what nothing tells apart makes no volume.
 */
import { distances, gridOf, type Slice } from "./stack.js";

export interface Part {
  readonly slices: readonly Slice[];
  readonly trait: string;
}

export interface Split {
  readonly parts: readonly Part[];
  /** Why there is no volume in these slices; null where there is. */
  readonly problem: string | null;
  /** Left out: the same image under another identifier. */
  readonly copies: readonly Slice[];
}

/** Slices closer than this in millimetres are images of one place. */
export const samePlaceMm = 1e-3;

const traitNames = [
  "stack", "acquisition", "temporal position", "echo", "echo time", "image type", "b-value", "gradient", "inversion time", "flip angle",
  "cardiac delay", "trigger time", "acquisition time", "content time",
];

/** Slices of one kind (size, orientation, spacing), all placed; each part comes back in order along the normal. */
export function splitRepeats(slices: readonly Slice[]): Split {
  const kept = atPlaces(slices).flatMap(withoutCopies);
  const copies = slices.filter((slice) => !kept.includes(slice));
  const parts = split(kept, "", traitNames);
  if (!parts) return { parts: [], copies, problem: "several images lie at one place and nothing in them tells which belong together" };
  return { parts: parts.map((part) => ({ ...part, slices: ordered(part.slices) })), copies, problem: null };
}

/** Images of one place with the same description and the same pixels were sent twice under two identifiers. */
function withoutCopies(place: readonly Slice[]): Slice[] {
  const kept: Slice[] = [];
  for (const slice of place) if (!kept.some((other) => sameImage(slice, other))) kept.push(slice);
  return kept;
}

function sameImage(a: Slice, b: Slice): boolean {
  if (JSON.stringify(a.frame.traits) !== JSON.stringify(b.frame.traits)) return false;
  const [pa, pb] = [a.instance.pixels, b.instance.pixels];
  if (!pa || !pb) return true;
  return pa.transferSyntaxUid === pb.transferSyntaxUid && Buffer.compare(pa.frame(a.frame.number).bytes, pb.frame(b.frame.number).bytes) === 0;
}

function split(slices: readonly Slice[], trait: string, names: readonly string[]): Part[] | null {
  const most = multiplicity(slices);
  if (most === 1) return interleaved(slices, trait);
  for (const [at, name] of names.entries()) {
    const groups = by(slices, name);
    // An attribute that differs for every slice (a time) tells nothing about what belongs together.
    const useful = groups.size > 1 && [...groups.values()].every((part) => multiplicity(part) < most && (part.length > 1 || slices.length <= most));
    if (!useful) continue;
    const parts = [...groups].sort(([a], [b]) => order(a, b)).map(([value, part]) => split(part, label(trait, name, value), names.slice(at + 1)));
    if (parts.every((part) => part !== null)) return parts.flat();
  }
  return byOccurrence(slices, trait, most);
}

/** Two acquisitions whose slices lie between each other, each even for itself, were not meant as one stack. */
function interleaved(slices: readonly Slice[], trait: string): Part[] {
  const whole = [{ slices, trait }];
  if (slices.length < 4 || gridOf(ordered(slices)).even) return whole;
  const groups = [...by(slices, "acquisition")].sort(([a], [b]) => order(a, b));
  if (groups.length < 2 || groups.some(([, part]) => part.length < 2 || !gridOf(ordered(part)).even)) return whole;
  const ranges = groups.map(([, part]) => distances(part)).map((along) => [Math.min(...along), Math.max(...along)]).sort((a, b) => a[0] - b[0]);
  const apart = ranges.every(([start], at) => at === 0 || start > ranges[at - 1][1]);
  return apart ? whole : groups.map(([value, part]) => ({ slices: part, trait: label(trait, "acquisition", value) }));
}

/** The last resort: the same number of images at every place, told apart by their instance numbers. */
function byOccurrence(slices: readonly Slice[], trait: string, most: number): Part[] | null {
  const places = atPlaces(slices);
  if (places.some((place) => place.length !== most)) return null;
  const number = ({ instance, frame }: Slice) => (instance.instanceNumber ?? NaN) * 1e6 + frame.number;
  for (const place of places) {
    place.sort((a, b) => number(a) - number(b));
    if (place.some((slice, at) => !Number.isFinite(number(slice)) || (at > 0 && number(slice) === number(place[at - 1])))) return null;
  }
  // Only where all first images come before all second ones, or the images of one place follow each other.
  const runs = Array.from({ length: most }, (_, at) => places.map((place) => number(place[at])));
  const inRuns = runs.every((run, at) => at === 0 || Math.min(...run) > Math.max(...runs[at - 1]));
  const inTurns = new Set(places.map((place) => number(place[most - 1]) - number(place[0]))).size === 1;
  if (!inRuns && !inTurns) return null;
  return runs.map((_, at) => ({ slices: places.map((place) => place[at]), trait: label(trait, "image", String(at + 1)) }));
}

const label = (trait: string, name: string, value: string) => `${trait === "" ? "" : `${trait}, `}${name} ${value.replaceAll("\\", "/") || "none"}`;

const order = (a: string, b: string) => Number(a) - Number(b) || (a < b ? -1 : 1);

function by(slices: readonly Slice[], name: string): Map<string, Slice[]> {
  const groups = new Map<string, Slice[]>();
  for (const slice of slices) {
    const value = slice.frame.traits[name] ?? "";
    const group = groups.get(value);
    if (group) group.push(slice);
    else groups.set(value, [slice]);
  }
  return groups;
}

function ordered(slices: readonly Slice[]): Slice[] {
  const along = new Map(distances(slices).map((distance, at) => [slices[at], distance]));
  return [...slices].sort((a, b) => along.get(a)! - along.get(b)!);
}

/** Largest number of slices at one place. */
function multiplicity(slices: readonly Slice[]): number {
  return Math.max(...atPlaces(slices).map((place) => place.length));
}

function atPlaces(slices: readonly Slice[]): Slice[][] {
  const sorted = ordered(slices);
  const along = distances(sorted);
  const places: Slice[][] = [];
  for (const [at, slice] of sorted.entries()) {
    if (at > 0 && along[at] - along[at - 1] < samePlaceMm) places.at(-1)!.push(slice);
    else places.push([slice]);
  }
  return places;
}
