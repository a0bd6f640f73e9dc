import { dtypeOf, type HeldDtype } from "./dtype.js";
import { checkGeometry, lpsFrame, type Shape } from "./geometry.js";
import { realVoxels, type Volume } from "./volume.js";
import { type Laid, writeParts } from "./write.js";

/** One object of a .seg.nrrd, as 3D Slicer names it. */
export interface Segment {
  readonly name: string;
  /** Voxel value of the object. */
  readonly value: number;
  /** Name of the segment inside the file; "Segment_1" and so on when not given. */
  readonly id?: string;
  /** Red, green, blue between 0 and 1; Slicer's first colours when not given. */
  readonly color?: readonly [number, number, number];
  /** Layer that holds it, from 0 (the default): objects that overlap lie in different ones. */
  readonly layer?: number;
  /** Slicer's notes on it, "key:value|key:value". */
  readonly tags?: string;
}

export interface NrrdOptions {
  /** OHIF reads "raw" only. */
  readonly encoding: "raw" | "gzip";
  /** Makes the file a segmentation (.seg.nrrd) of these objects. */
  readonly segments?: readonly Segment[];
  /** Layers of a segmentation; the samples of one voxel then lie side by side in the volume. Default 1. */
  readonly layers?: number;
}

/** The spellings that ITK writes. */
const typeNames: Record<HeldDtype, string> = {
  int8: "signed char", uint8: "unsigned char", int16: "short", uint16: "unsigned short", int32: "int", uint32: "unsigned int",
  float32: "float", float64: "double",
};

const colours = [[0.5, 0.68, 0.5], [0.95, 0.84, 0.57], [0.69, 0.48, 0.4], [0.43, 0.72, 0.82], [0.85, 0.4, 0.31]] as const;

/**
 * Writes a NRRD with attached data, line for line as ITK lays it out, LPS millimetres. NRRD has no slope and
 * intercept: a volume that has them is written as real values (float).
 * @throws LimnetError bad_volume on a singular geometry
 */
export async function writeNrrd(volume: Volume, path: string, options: NrrdOptions): Promise<void> {
  const { header, voxels, gzip } = layNrrd(volume, options);
  await writeParts(path, header, voxels, gzip);
}

/** What writeNrrd writes. Throws as it does. */
export function layNrrd(volume: Volume, { encoding, segments, layers = 1 }: NrrdOptions): Laid {
  const voxels = realVoxels(volume);
  const frame = lpsFrame(checkGeometry(volume.geometry));
  // A JavaScript number prints as the shortest text that reads back as the same number.
  const vector = (v: readonly number[]) => `(${v.join(",")})`;
  const lines = [
    "NRRD0004",
    "# Complete NRRD file format specification at:",
    "# http://teem.sourceforge.net/nrrd/format.html",
    `type: ${typeNames[dtypeOf(voxels)]}`,
    `dimension: ${layers > 1 ? 4 : 3}`,
    "space: left-posterior-superior",
    `sizes: ${layers > 1 ? `${layers} ` : ""}${volume.shape.join(" ")}`,
    `space directions: ${layers > 1 ? "none " : ""}${frame.steps.map(vector).join(" ")}`,
    `kinds: ${layers > 1 ? "list " : ""}domain domain domain`,
    ...(voxels.BYTES_PER_ELEMENT > 1 ? ["endian: little"] : []),
    `encoding: ${encoding}`,
    `space origin: ${vector(frame.origin)}`,
    ...(segments ? segmentLines(segments, volume.shape) : []),
  ];
  return { header: Buffer.from(`${lines.join("\n")}\n\n`, "utf8"), voxels, gzip: encoding === "gzip" ? "voxels" : "none" };
}

/** https://slicer.readthedocs.io/en/latest/developer_guide/modules/segmentations.html, "Segmentation file format". */
function segmentLines(segments: readonly Segment[], shape: Shape): string[] {
  const extent = shape.map((size) => `0 ${size - 1}`).join(" ");
  return [
    ...segments.flatMap(({ name, value, id, color, layer = 0, tags }, at) => [
      `Segment${at}_Color:=${(color ?? colours[at % colours.length]).join(" ")}`,
      `Segment${at}_Extent:=${extent}`,
      `Segment${at}_ID:=${oneLine(id ?? `Segment_${at + 1}`)}`,
      `Segment${at}_LabelValue:=${value}`,
      `Segment${at}_Layer:=${layer}`,
      `Segment${at}_Name:=${oneLine(name)}`,
      ...(tags ? [`Segment${at}_Tags:=${oneLine(tags)}`] : []),
    ]),
    "Segmentation_ContainedRepresentationNames:=Binary labelmap|",
    "Segmentation_MasterRepresentation:=Binary labelmap",
    "Segmentation_ReferenceImageExtentOffset:=0 0 0",
  ];
}

/** A name cannot add lines to the header: NRRD escapes backslash and line feed; other control characters go. */
function oneLine(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replace(/\p{Cc}/gu, " ");
}
