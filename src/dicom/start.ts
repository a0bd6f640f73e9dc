/** The object of a label that somebody wants to go on from. */
import { readFile } from "node:fs/promises";
import { LimnetError } from "../errors.js";
import type { Grid } from "../imaging/align.js";
import { readRawLabel } from "../imaging/raw-label.js";
import { readSeg, type SegGrid } from "./seg/read.js";
import type { Segment } from "./seg/segments.js";

/** A file that holds a label: one that was saved, or one that came with a request. */
export interface StartFile {
  readonly path: string;
  /** With its dot; `.dcm` is a DICOM segmentation, `.bin` bare voxels in the order of the image. */
  readonly ext: string;
  readonly info: Readonly<Record<string, unknown>>;
}

/** Which object of it: the one that is clicked (`label`), or one that is named in its place. */
export interface Wanted {
  readonly label?: unknown;
  /** Name or number: of a DICOM segmentation the segment's, of a label map the voxel value. */
  readonly segment?: unknown;
  /** It may be missing, and is an empty mask then. */
  readonly optional?: boolean;
  /** Not the object, but what covers it: voxels of others, where one voxel holds one object only. */
  readonly covered?: boolean;
}

interface Numbered extends Pick<Segment, "name" | "labels" | "value"> {
  readonly number: number;
}

/**
 * The mask (0 and 1) of the wanted object, on `grid`; undefined where the label is empty. `segmentsOf` reads a file that is no DICOM.
 * @throws LimnetError bad_volume (another grid, damaged), bad_params (which of several objects?)
 */
export async function startMask(file: StartFile, grid: SegGrid, wanted: Wanted, segmentsOf: (file: StartFile, grid: Grid) => Promise<Segment[]>): Promise<Uint8Array | undefined> {
  const all = await read(file, grid, segmentsOf);
  const chosen = choose(all.filter(({ labels, value }) => labels.includes(value)), wanted);
  if (wanted.covered) return chosen && Uint8Array.from(chosen.labels, (voxel) => (voxel === chosen.value || voxel === 0 ? 0 : 1));
  return chosen && Uint8Array.from(chosen.labels, (voxel) => (voxel === chosen.value ? 1 : 0));
}

async function read(file: StartFile, grid: SegGrid, segmentsOf: (file: StartFile, grid: Grid) => Promise<Segment[]>): Promise<Numbered[]> {
  const ext = file.ext.toLowerCase();
  if (ext === ".bin") {
    const labels = await readRawLabel(file.path, grid.shape);
    return [...new Set(labels)].filter((value) => value > 0).map((value) => ({ name: `Segment_${value}`, labels, value, number: value }));
  }
  if (ext === ".dcm") {
    const seg = await readSeg(await readFile(file.path));
    return (await seg.segments(grid)).map((segment, at) => ({ ...segment, number: seg.objects[at].number }));
  }
  const segments = await segmentsOf(file, grid);
  // Values repeat where objects overlap, each in a layer of its own: their place in the file counts then, as in DICOM.
  const distinct = new Set(segments.map(({ value }) => value)).size === segments.length;
  return segments.map((segment, at) => ({ ...segment, number: distinct ? segment.value : (segment.number ?? at + 1) }));
}

function choose(segments: readonly Numbered[], { label, segment: wanted, optional }: Wanted): Numbered | undefined {
  const plain = (text: unknown) => String(text).trim().toLowerCase();
  const named = (name: unknown) => segments.find((segment) => plain(segment.name) === plain(name));
  const asked = wanted !== undefined && wanted !== null && wanted !== "";
  const found = asked ? (named(wanted) ?? segments.find(({ number }) => number === Number(wanted))) : (named(label) ?? (segments.length === 1 ? segments[0] : undefined));
  if (found || optional || (segments.length === 0 && !asked)) return found;
  const names = segments.slice(0, 20).map(({ name, number }) => `${JSON.stringify(name.slice(0, 60))} (${number})`).join(", ");
  throw new LimnetError("bad_params", `The label to start from holds ${segments.length === 0 ? "nothing" : names}. Say which of it is meant: "label" of the same name, or "start_segment", a name or number.`);
}
