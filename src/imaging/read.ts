/** Reads a volume file; which format it is, its first bytes say. */
import { arrayOf, dtypeOf, samplesFrom } from "./dtype.js";
import { inflateHead, readDeflated } from "./inflate.js";
import { byteCount, type Layout, sampleCount } from "./layout.js";
import { isMetaImage, parseMetaImage } from "./mha.js";
import { isNifti, niftiHeaderBytes, parseNifti } from "./nifti.js";
import { isNrrd, parseNrrd, parseSegNrrd } from "./nrrd.js";
import { readHead, readRaw, readText, type Source, withSource } from "./source.js";
import { badVolume, type ReadLimits, realVoxels, type Volume, type VolumeHeader, type Voxels } from "./volume.js";

/** Longest text header that is looked at; terminology of a few hundred segments fits. */
const textHeaderBytes = 1 << 20;

/**
 * Reads what the header says, without the voxels; of a .nii.gz only the first bytes are inflated.
 * @throws LimnetError bad_volume for a file that is damaged, unsupported or beyond the limits; not_found
 */
export async function readHeader(path: string, limits: ReadLimits = {}): Promise<VolumeHeader> {
  const { shape, geometry, dtype } = await withSource(path, (source) => layoutOf(source, limits));
  return { shape, geometry, dtype };
}

/**
 * Reads NIfTI-1 (.nii, .nii.gz), NRRD (.nrrd, .seg.nrrd with one layer, data attached) or MetaImage (.mha).
 * The voxels are little-endian in memory, i fastest; the geometry is RAS millimetres.
 * @throws LimnetError bad_volume for a file that is damaged, unsupported or beyond the limits; not_found;
 *   out_of_memory
 */
export async function readVolume(path: string, limits: ReadLimits = {}): Promise<Volume> {
  return withSource(path, async (source) => {
    const layout = await layoutOf(source, limits);
    const { shape, geometry, slope, intercept } = layout;
    return { voxels: await readVoxels(source, layout), shape, geometry, slope, intercept };
  });
}

/** Nothing is allocated or unpacked beyond what a layout says. */
async function layoutOf(source: Source, limits: ReadLimits): Promise<Layout> {
  const layout = await parseHead(source, limits);
  const most = limits.maxVolumeBytes ?? 2 ** 33;
  const bytes = byteCount(layout) + layout.skip;
  if (bytes > most) {
    throw badVolume(`The image has ${bytes} bytes when unpacked, more than the ${most} that this server reads. Crop or resample it, or save it with a smaller type of numbers.`);
  }
  return layout;
}

async function parseHead(source: Source, limits: ReadLimits): Promise<Layout> {
  const head = await readHead(source, 1 << 12);
  if (head.length === 0) throw badVolume("The image file is empty. Send it again.");
  if (head[0] === 0x1f && head[1] === 0x8b) {
    const inner = await inflateHead(source, niftiHeaderBytes);
    if (isNifti(inner)) return parseNifti(inner, true, limits);
  } else if (isNifti(head)) {
    return parseNifti(head, false, limits);
  } else if (isNrrd(head)) {
    return parseNrrd(await readHead(source, textHeaderBytes), limits);
  } else if (isMetaImage(head)) {
    return parseMetaImage(await readHead(source, textHeaderBytes), limits);
  }
  throw badVolume("The file is not an image that this server reads. Send NIfTI-1 (.nii.gz, .nii), NRRD (.nrrd) or MetaImage (.mha).");
}

/** An object of a .seg.nrrd: voxels of `value` in layer `layer`. */
export interface NamedSegment {
  readonly name: string;
  readonly value: number;
  readonly layer: number;
  /** Red, green, blue between 0 and 1. */
  readonly color: readonly [number, number, number] | null;
  /** Slicer's notes on the segment, its terminology among them; "" where there are none. */
  readonly tags: string;
}

/** Layers of labels on one grid; a plain volume is one layer without names. */
export interface LabelLayers {
  readonly shape: VolumeHeader["shape"];
  readonly geometry: VolumeHeader["geometry"];
  readonly layers: readonly Voxels[];
  readonly segments: readonly NamedSegment[];
}

/**
 * Reads a label volume of any format that readVolume reads, and of a .seg.nrrd the names of its segments and all its layers.
 * Throws as readVolume.
 */
export async function readLabelLayers(path: string, limits: ReadLimits = {}): Promise<LabelLayers> {
  return withSource(path, async (source) => {
    const head = await readHead(source, textHeaderBytes);
    if (!isNrrd(head)) {
      const layout = await layoutOf(source, limits);
      const voxels = await readVoxels(source, layout);
      return { ...layout, layers: [realVoxels({ ...layout, voxels })], segments: [] };
    }
    const layout = parseSegNrrd(head, limits);
    const all = await readVoxels(source, layout, layout.layers);
    const layers = layout.layers === 1 ? [all] : Array.from({ length: layout.layers }, (_, layer) => {
      const voxels = new arrayOf[dtypeOf(all)](sampleCount(layout));
      for (let at = 0, from = layer; at < voxels.length; at++, from += layout.layers) voxels[at] = all[from];
      return voxels;
    });
    return { ...layout, layers, segments: segmentsOf(layout.notes, layout.layers) };
  });
}

/** https://slicer.readthedocs.io/en/latest/developer_guide/modules/segmentations.html, "Segmentation file format". */
function segmentsOf(notes: ReadonlyMap<string, string>, layers: number): NamedSegment[] {
  const segments: NamedSegment[] = [];
  for (let n = 0; notes.has(`Segment${n}_ID`) || notes.has(`Segment${n}_Name`); n++) {
    const note = (name: string) => notes.get(`Segment${n}_${name}`) ?? "";
    const color = note("Color").split(" ").map(Number);
    const layer = Number(note("Layer") || 0);
    segments.push({
      name: note("Name") || note("ID"), value: Number(note("LabelValue") || 1), layer: Number.isInteger(layer) && layer >= 0 && layer < layers ? layer : 0,
      color: color.length === 3 && color.every((part) => part >= 0 && part <= 1) ? [color[0], color[1], color[2]] : null, tags: note("Tags"),
    });
  }
  return segments;
}

/** `times`: how often the grid's samples are there, side by side. */
async function readVoxels(source: Source, layout: Layout, times = 1): Promise<Voxels> {
  const bytes = byteCount(layout) * times;
  const start = layout.start === "end" ? source.size - bytes : layout.start;
  if (layout.packing === "text") return fromText(await readText(source, start, sampleCount(layout) * times), layout);
  const buffer = layout.packing === "deflate"
    ? await readDeflated(source, start, layout.skip, bytes)
    : await readRaw(source, start, bytes);
  return samplesFrom(buffer, layout.dtype, layout.littleEndian);
}

/** Numbers of a text file in the type that the header names; 64-bit integers stay float64. */
function fromText(numbers: Float64Array, { dtype }: Layout): Voxels {
  if (dtype === "int64" || dtype === "uint64" || dtype === "float64") return numbers;
  const voxels = arrayOf[dtype].from(numbers);
  if (dtype !== "float32" && voxels.some((value, at) => value !== numbers[at])) {
    throw badVolume(`The text that holds the voxels has numbers that do not fit ${dtype}. Export the image again with the right type.`);
  }
  return voxels;
}
