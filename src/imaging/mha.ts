/** MetaImage headers with local data (https://itk.org/Wiki/ITK/MetaIO/Documentation), as ITK writes them. */
import type { Vec3 } from "./affine.js";
import type { Dtype } from "./dtype.js";
import { geometryFrom } from "./geometry.js";
import type { Layout } from "./layout.js";
import { badVolume, checkShape, type ReadLimits } from "./volume.js";

const types = new Map<string, Dtype>(Object.entries({
  MET_CHAR: "int8", MET_UCHAR: "uint8", MET_SHORT: "int16", MET_USHORT: "uint16", MET_INT: "int32", MET_UINT: "uint32",
  // MetaIO stores a long in four bytes whatever the machine.
  MET_LONG: "int32", MET_ULONG: "uint32", MET_LONG_LONG: "int64", MET_ULONG_LONG: "uint64",
  MET_FLOAT: "float32", MET_DOUBLE: "float64",
}));

/** MetaImage has no magic number: a file of "Key = value" lines, one of which counts its dimensions. */
export function isMetaImage(head: Buffer): boolean {
  const text = head.toString("latin1");
  return /^\s*[A-Za-z]+\s*=/.test(text) && /^\s*(NDims|ObjectType)\s*=/m.test(text);
}

/**
 * Reads a header from the first bytes of a file.
 * @throws LimnetError bad_volume
 */
export function parseMetaImage(head: Buffer, limits: ReadLimits): Layout {
  const { fields, end } = fieldsOf(head);
  const first = (...names: string[]) => names.map((name) => fields.get(name.toLowerCase())).find((value) => value !== undefined);
  const yes = (...names: string[]) => /^(true|1|yes)$/i.test(first(...names) ?? "");

  if (first("ElementDataFile")?.toUpperCase() !== "LOCAL") throw badVolume("This MetaImage header (.mhd) points at a second file. Save the image as one .mha file.");
  if (first("BinaryData") !== undefined && !yes("BinaryData")) throw badVolume("This MetaImage holds its voxels as text. Save it in binary form.");
  if (Number(first("ElementNumberOfChannels") ?? 1) !== 1) throw badVolume("This MetaImage holds several channels per voxel. Send a single channel.");
  if (Number(first("HeaderSize") ?? 0) !== 0) throw badVolume("This MetaImage skips bytes before its data. Save the image again as one plain .mha file.");

  const sizes = numbers(first("DimSize"));
  const rank = Number(first("NDims"));
  if (rank !== sizes.length) throw badVolume("The MetaImage header names another number of sizes than of dimensions. Export the image again.");
  const shape = checkShape(sizes, limits);
  const dtype = types.get(first("ElementType") ?? "");
  if (dtype === undefined) throw badVolume("The MetaImage has an element type that is not supported. Save the image with integers or floats.");

  const spacing = numbers(first("ElementSpacing", "ElementSize") ?? sizes.map(() => 1).join(" "));
  const origin = numbers(first("Offset", "Position", "Origin") ?? sizes.map(() => 0).join(" "));
  const matrix = numbers(first("TransformMatrix", "Rotation", "Orientation") ?? sizes.flatMap((_, i) => sizes.map((_, j) => (i === j ? 1 : 0))).join(" "));
  if (spacing.length !== rank || origin.length !== rank || matrix.length !== rank * rank) {
    throw badVolume("The MetaImage header gives a spacing, offset or matrix of the wrong length. Export the image again.");
  }
  // The matrix lists the direction of i, then of j, then of k.
  const step = (axis: number): Vec3 => vector(rank, (at) => matrix[axis * rank + at] * spacing[axis]);

  const slope = Number(first("ElementToIntensityFunctionSlope") ?? 1);
  const intercept = Number(first("ElementToIntensityFunctionOffset") ?? 0);
  if (!Number.isFinite(slope) || slope === 0 || !Number.isFinite(intercept)) throw badVolume("The MetaImage header has an intensity scale that is not a number. Export the image again.");
  return {
    shape, dtype, slope, intercept,
    geometry: geometryFrom({ space: "LPS", steps: [step(0), step(1), rank > 2 ? step(2) : undefined], origin: vector(rank, (at) => origin[at]) }),
    littleEndian: !yes("BinaryDataByteOrderMSB", "ElementByteOrderMSB"),
    packing: yes("CompressedData") ? "deflate" : "none",
    start: end,
    skip: 0,
  };
}

function vector(rank: number, part: (at: number) => number): Vec3 {
  return [part(0), part(1), rank > 2 ? part(2) : 0];
}

function fieldsOf(head: Buffer): { fields: Map<string, string>; end: number } {
  const text = head.toString("latin1");
  const fields = new Map<string, string>();
  // ElementDataFile is the last line; after its line break the data begin.
  for (let from = 0, to = text.indexOf("\n"); to >= 0; from = to + 1, to = text.indexOf("\n", from)) {
    const [, key, value] = /^\s*(\w+)\s*=(.*)$/.exec(text.slice(from, to).trimEnd()) ?? [];
    if (key === undefined) continue;
    fields.set(key.toLowerCase(), value.trim());
    if (key.toLowerCase() === "elementdatafile") return { fields, end: to + 1 };
  }
  throw badVolume("The MetaImage header has no end (no ElementDataFile line). The file is damaged: export it again as .mha.");
}

function numbers(text = ""): number[] {
  return text.split(/\s+/).filter((word) => word !== "").map(Number);
}
