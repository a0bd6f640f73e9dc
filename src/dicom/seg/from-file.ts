/** From the file that a client saved as a label to the segments of a DICOM object, on the grid of the source. */
import { alignLabels, type Grid } from "../../imaging/align.js";
import { readLabelLayers } from "../../imaging/read.js";
import { badVolume, type ReadLimits, type Voxels } from "../../imaging/volume.js";
import { type CodeTable, codingOf } from "./codes.js";
import { nameValues, slicerCoding } from "./label-info.js";
import type { AlgorithmType, Segment } from "./segments.js";
import { uidOf } from "./values.js";

export interface LabelFile {
  readonly path: string;
  /** What the client said of the values: `label_info` of the request (protocol 6). */
  readonly labelInfo?: unknown;
  /** Names by voxel value, where the label says nothing itself. */
  readonly names?: Readonly<Record<number, string>>;
  readonly codes: CodeTable;
  readonly algorithm: AlgorithmType;
  readonly model?: Segment["model"];
  /** Whose label it is and of which series: the objects keep their tracking ids from one save to the next. */
  readonly owner?: { readonly seriesInstanceUid: string; readonly user: string };
  readonly limits?: ReadLimits;
}

const bytes = ([red, green, blue]: readonly [number, number, number]): [number, number, number] => [Math.round(255 * red), Math.round(255 * green), Math.round(255 * blue)];

/**
 * Segments of a label file (NIfTI, NRRD, .seg.nrrd with all its layers): one for each voxel value that occurs. Empty where the
 * label is.
 * @throws LimnetError bad_volume for a file that is damaged, lies on another grid, or holds values that are no labels
 */
export async function segmentsOfFile(file: LabelFile, grid: Grid): Promise<Segment[]> {
  const read = await readLabelLayers(file.path, file.limits);
  const layers = read.layers.map((voxels) => asLabels(alignLabels(voxels, read, grid)));
  const found = layers.flatMap((labels, layer) => valuesOf(labels).map((value) => ({ labels, layer, value })));
  // Names inside the file are of its own segments; `label_info` counts values, which repeat where there are layers.
  const named = layers.length === 1 ? nameValues(found.map(({ value }) => value), file.labelInfo) : null;
  return found.map(({ labels, layer, value }, at): Segment => {
    const segment = read.segments.find((one) => one.value === value && one.layer === layer);
    const said = named?.[at];
    const name = segment?.name || said?.name || file.names?.[value] || `Segment_${value}`;
    const known = codingOf(name, file.codes);
    const coding = { ...known, ...(segment ? slicerCoding(segment.tags) : null), ...said?.coding };
    return {
      name, coding, labels, value, ...(segment && { number: read.segments.indexOf(segment) + 1 }),
      algorithm: file.algorithm, model: file.model, description: said?.description,
      color: segment?.color ? bytes(segment.color) : said?.color,
      ...(file.owner ? { tracking: { id: name, uid: uidOf("tracking", file.owner.seriesInstanceUid, file.owner.user, name) } } : {}),
    };
  });
}

/** Label values as whole numbers of 8 or 16 bit. */
function asLabels(voxels: Voxels): Uint8Array | Uint16Array {
  if (voxels instanceof Uint8Array || voxels instanceof Uint16Array) return voxels;
  let most = 0;
  for (const value of voxels) {
    if (!(Number.isInteger(value) && value >= 0 && value <= 65535)) throw badVolume(`The label holds the value ${value}; labels are whole numbers from 0 to 65535. Save a label map, not an image or a probability.`);
    if (value > most) most = value;
  }
  return most < 256 ? Uint8Array.from(voxels) : Uint16Array.from(voxels);
}

/** Non-zero values that occur, ascending. */
function valuesOf(labels: Uint8Array | Uint16Array): number[] {
  const seen = new Uint8Array(labels.BYTES_PER_ELEMENT === 1 ? 256 : 65536);
  let last = 0;
  for (let at = 0; at < labels.length; at++) {
    const value = labels[at];
    if (value !== last) seen[value] = 1;
    last = value;
  }
  const values: number[] = [];
  for (let value = 1; value < seen.length; value++) if (seen[value] === 1) values.push(value);
  return values;
}
