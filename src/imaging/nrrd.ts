/** NRRD headers with attached data (https://teem.sourceforge.net/nrrd/format.html), as ITK and 3D Slicer write them. */
import type { Vec3 } from "./affine.js";
import { type Dtype, sampleBytes } from "./dtype.js";
import { type Frame, type Geometry, geometryFrom } from "./geometry.js";
import type { Layout } from "./layout.js";
import { badVolume, checkShape, type ReadLimits } from "./volume.js";

const spellings = new Map<string, Dtype>(Object.entries({
  "signed char": "int8", int8: "int8", int8_t: "int8",
  "unsigned char": "uint8", uchar: "uint8", uint8: "uint8", uint8_t: "uint8",
  short: "int16", "short int": "int16", "signed short": "int16", "signed short int": "int16", int16: "int16", int16_t: "int16",
  "unsigned short": "uint16", ushort: "uint16", "unsigned short int": "uint16", uint16: "uint16", uint16_t: "uint16",
  int: "int32", "signed int": "int32", int32: "int32", int32_t: "int32",
  "unsigned int": "uint32", uint: "uint32", uint32: "uint32", uint32_t: "uint32",
  "long long": "int64", longlong: "int64", "long long int": "int64", "signed long long": "int64", "signed long long int": "int64", int64: "int64", int64_t: "int64",
  "unsigned long long": "uint64", ulonglong: "uint64", "unsigned long long int": "uint64", uint64: "uint64", uint64_t: "uint64",
  float: "float32", double: "float64",
}));

/** A file that names no patient space is taken as LPS, as ITK does. */
const spaces = new Map<string, Frame["space"]>(Object.entries({
  "left-posterior-superior": "LPS", lps: "LPS",
  "right-anterior-superior": "RAS", ras: "RAS",
  "left-anterior-superior": "LAS", las: "LAS",
}));

const packings = new Map<string, Layout["packing"]>(Object.entries({
  raw: "none", gzip: "deflate", gz: "deflate", ascii: "text", text: "text", txt: "text",
}));

export function isNrrd(head: Buffer): boolean {
  return /^NRRD\d{4}\r?\n/.test(head.toString("latin1", 0, 10));
}

/**
 * Reads a header from the first bytes of a file.
 * @throws LimnetError bad_volume
 */
export function parseNrrd(head: Buffer, limits: ReadLimits): Layout {
  return parseLayers(head, limits, false);
}

/** The same for a .seg.nrrd, which may hold several layers; `notes` are its "key:=value" lines. */
export function parseSegNrrd(head: Buffer, limits: ReadLimits): Layout & { readonly layers: number; readonly notes: ReadonlyMap<string, string> } {
  const layout = parseLayers(head, limits, true);
  return { ...layout, notes: notesOf(head) };
}

function parseLayers(head: Buffer, limits: ReadLimits, several: boolean): Layout & { readonly layers: number } {
  const { fields, end } = fieldsOf(head);
  const need = (name: string): string => {
    const value = fields.get(name);
    if (value === undefined) throw badVolume(`The NRRD header has no "${name}" line. Export the image again.`);
    return value;
  };
  if (fields.has("data file") || fields.has("datafile")) throw badVolume("This NRRD header (.nhdr) points at a second file. Save the image as one .nrrd file.");

  const sizes = integers(need("sizes"));
  if (sizes.length !== Number(need("dimension"))) throw badVolume("The NRRD header names another number of sizes than of dimensions. Export the image again.");
  const vectors = fields.has("space directions") ? vectorsOf(need("space directions")) : undefined;
  if (vectors !== undefined && vectors.length !== sizes.length) throw badVolume("The NRRD header names another number of space directions than of dimensions. Export the image again.");
  // An axis of one element that is no direction in space (a list of one layer) changes nothing.
  // Slicer puts the list of layers first: the layers of one voxel lie side by side.
  const layers = several && sizes.length === 4 && vectors?.[0] === null ? sizes[0] : 1;
  if (!(layers >= 1 && layers <= 1000)) throw badVolume("The segmentation says it has no layer, or more than 1000. The header is damaged: export it again.");
  const kept = sizes.map((_, axis) => axis).filter((axis) => !(vectors?.[axis] === null && (sizes[axis] === 1 || (several && axis === 0 && sizes.length === 4))));
  if (kept.some((axis) => vectors?.[axis] === null)) throw badVolume("The NRRD file holds several channels or layers per voxel. Send one volume: a single channel, or a segmentation in one layer.");
  const shape = checkShape(kept.map((axis) => sizes[axis]), limits);

  const type = need("type").toLowerCase();
  const dtype = spellings.get(type);
  if (dtype === undefined) throw badVolume(`The NRRD type "${short(type)}" is not supported. Save the image with integers or floats.`);
  const encoding = need("encoding").toLowerCase();
  const packing = packings.get(encoding);
  if (packing === undefined) throw badVolume(`The NRRD encoding "${short(encoding)}" is not supported. Save the image as raw or gzip.`);
  const endian = fields.get("endian")?.toLowerCase() ?? (sampleBytes[dtype] === 1 || packing === "text" ? "little" : "");
  if (endian !== "little" && endian !== "big") throw badVolume("The NRRD header does not say whether its numbers are little or big endian. Export the image again.");
  const byteSkip = Number(fields.get("byte skip") ?? fields.get("byteskip") ?? 0);
  const lineSkip = Number(fields.get("line skip") ?? fields.get("lineskip") ?? 0);
  if (lineSkip !== 0 || !(byteSkip === 0 || (byteSkip === -1 && packing === "none"))) throw badVolume("The NRRD header skips bytes or lines before its data. Save the image again as one plain .nrrd file.");

  return {
    shape, dtype, packing,
    geometry: geometryOf(fields, kept, vectors),
    slope: 1, intercept: 0, skip: 0,
    littleEndian: endian === "little",
    start: byteSkip === -1 ? "end" : end,
    layers,
  };
}

/** Notes of the writer: names of segments and the like. UTF-8, a line each; "\\n" and "\\\\" stand for a line feed and a backslash. */
function notesOf(head: Buffer): Map<string, string> {
  const text = head.toString("utf8");
  const header = text.slice(0, /\r?\n\r?\n/.exec(text)?.index ?? 0);
  const notes = new Map<string, string>();
  for (const line of header.split(/\r?\n/)) {
    const note = /^([^#:]+):=(.*)$/.exec(line);
    if (note) notes.set(note[1].trim(), note[2].replace(/\\(n|\\)/g, (_, escaped) => (escaped === "n" ? "\n" : "\\")));
  }
  return notes;
}

function fieldsOf(head: Buffer): { fields: Map<string, string>; end: number } {
  // latin1 keeps one character per byte, so that positions in the text are positions in the file.
  const text = head.toString("latin1");
  const blank = /\r?\n\r?\n/.exec(text);
  if (blank === null) throw badVolume("The NRRD header has no end. The file is damaged or has a header of more than a megabyte: export it again.");
  const fields = new Map<string, string>();
  for (const line of text.slice(0, blank.index).split(/\r?\n/).slice(1)) {
    // "key:=value" lines are notes of the writer (segment names and the like), "#" lines comments.
    const field = /^([^#:]+): (.*)$/.exec(line);
    if (field !== null) fields.set(field[1].trim().toLowerCase(), field[2].trim());
  }
  return { fields, end: blank.index + blank[0].length };
}

function geometryOf(fields: Map<string, string>, kept: number[], vectors: (number[] | null)[] | undefined): Geometry {
  const named = fields.get("space")?.toLowerCase();
  const space = named === undefined ? "LPS" : spaces.get(named);
  if (space === undefined) throw badVolume(`The NRRD space "${short(named ?? "")}" is not supported. Save the image in left-posterior-superior.`);
  if (vectors === undefined) {
    const spacings = (fields.get("spacings") ?? "").split(/\s+/).map(Number);
    // A grid without any place in the patient: the spacing is all that is known.
    const size = (at: number) => (fields.has("spacings") ? spacings[kept[at]] : 1);
    return geometryFrom({ space, steps: [[size(0), 0, 0], [0, size(1), 0], kept.length > 2 ? [0, 0, size(2)] : undefined], origin: [0, 0, 0] });
  }
  const origin = fields.has("space origin") ? vectorsOf(fields.get("space origin") ?? "")[0] : [0, 0, 0];
  return geometryFrom({
    space,
    steps: [spatial(vectors[kept[0]]), spatial(vectors[kept[1]]), kept.length > 2 ? spatial(vectors[kept[2]]) : undefined],
    origin: spatial(origin),
  });
}

/** A vector of a two-dimensional space lies in the plane z = 0. */
function spatial(vector: number[] | null | undefined): Vec3 {
  if (!vector || vector.length < 2 || vector.length > 3) throw badVolume("The NRRD header gives a place that is not in two or three dimensions. Export the image again.");
  return [vector[0], vector[1], vector[2] ?? 0];
}

/** "(1,0,0) none (0,0,2)" */
function vectorsOf(text: string): (number[] | null)[] {
  return (text.match(/\([^()]*\)|[^\s()]+/g) ?? []).map((word) =>
    word.startsWith("(") ? word.slice(1, -1).split(",").map(Number) : null,
  );
}

function integers(text: string): number[] {
  return text.split(/\s+/).map((word) => (/^\d{1,15}$/.test(word) ? Number(word) : Number.NaN));
}

/** What a message repeats of a file: a few harmless characters. */
function short(text: string): string {
  return text.replace(/[^\w .+-]/g, "?").slice(0, 40);
}
