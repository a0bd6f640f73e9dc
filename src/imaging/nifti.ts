/** NIfTI-1 headers (nifti1.h of the NIfTI Data Format Working Group; the choices of nibabel 5 where it is silent). */
import type { Vec3 } from "./affine.js";
import type { Dtype } from "./dtype.js";
import { type Geometry, geometryFrom } from "./geometry.js";
import type { Layout } from "./layout.js";
import { badVolume, checkShape, type ReadLimits } from "./volume.js";

export const niftiHeaderBytes = 348;
/** Header and the four bytes that say "no extensions". */
export const niftiDataOffset = 352;

/** nifti1.h DT_* codes. */
export const niftiTypes: Record<Dtype, number> = {
  uint8: 2, int16: 4, int32: 8, float32: 16, float64: 64, int8: 256, uint16: 512, uint32: 768, int64: 1024, uint64: 1280,
};

/** nifti1.h NIFTI_UNITS_*: metre, millimetre, micrometre; unknown is taken as millimetre. */
const millimetres: Record<number, number> = { 1: 1000, 3: 0.001 };

export function isNifti(head: Buffer): boolean {
  if (head.length < 4) return false;
  return [head.readInt32LE(0), head.readInt32BE(0)].some((size) => size === niftiHeaderBytes || size === 540);
}

/**
 * Reads the 348 bytes of a header.
 * @param packed whether the file is a .nii.gz
 * @throws LimnetError bad_volume
 */
export function parseNifti(head: Buffer, packed: boolean, limits: ReadLimits): Layout {
  const littleEndian = [niftiHeaderBytes, 540].includes(head.readInt32LE(0));
  if ((littleEndian ? head.readInt32LE(0) : head.readInt32BE(0)) === 540) {
    throw badVolume("This is a NIfTI-2 file. Save it as NIfTI-1.");
  }
  if (head.length < niftiHeaderBytes) throw badVolume("The NIfTI file ends inside its header. Send the whole file.");
  const view = new DataView(head.buffer, head.byteOffset, niftiHeaderBytes);
  const short = (at: number) => view.getInt16(at, littleEndian);
  const float = (at: number) => view.getFloat32(at, littleEndian);
  const magic = head.toString("latin1", 344, 348);
  if (magic === "ni1\0") throw badVolume("This is the header of a .hdr/.img pair. Save the image as one .nii.gz file.");
  if (magic !== "n+1\0") throw badVolume("The file begins like an Analyze or NIfTI image but is not NIfTI-1. Save it as .nii.gz.");

  const rank = short(40);
  if (rank < 1 || rank > 7) throw badVolume(`The NIfTI header names ${rank} dimensions; 2 or 3 are needed. The header is damaged: export the image again.`);
  const shape = checkShape(Array.from({ length: rank }, (_, axis) => short(42 + 2 * axis)), limits);
  const code = short(70);
  const dtype = (Object.keys(niftiTypes) as Dtype[]).find((name) => niftiTypes[name] === code);
  if (dtype === undefined) throw badVolume(`The NIfTI data type ${code} is not supported (colour, complex and bit images are not). Save the image with integers or floats.`);

  const offset = Math.floor(float(108)) || niftiDataOffset;
  if (!(offset >= niftiDataOffset && offset < 2 ** 48)) throw badVolume("The NIfTI header gives an impossible place for the voxels (vox_offset). The header is damaged: export the image again.");
  const slope = float(112);
  const scaled = Number.isFinite(slope) && slope !== 0;
  const intercept = scaled ? float(116) : 0;
  if (!Number.isFinite(intercept)) throw badVolume("The NIfTI header has a scale but no valid intercept (scl_inter). Export the image again.");

  return {
    shape, dtype, littleEndian, intercept,
    geometry: geometryOf(short, float, shape, millimetres[head[123] & 7] ?? 1),
    slope: scaled ? slope : 1,
    packing: packed ? "deflate" : "none",
    start: packed ? 0 : offset,
    skip: packed ? offset : 0,
  };
}

type Field = (at: number) => number;

/** sform, else qform, else the centred grid with x to the left that nibabel and SPM assume. */
function geometryOf(short: Field, float: Field, shape: readonly number[], unit: number): Geometry {
  const triple = (at: number, step: number): Vec3 => [float(at) * unit, float(at + step) * unit, float(at + 2 * step) * unit];
  if (short(254) > 0) {
    const row = 16;
    return frame(triple(280, row), triple(284, row), triple(288, row), triple(292, row), shape);
  }
  const size: Vec3 = [Math.abs(float(80)) * unit, Math.abs(float(84)) * unit, Math.abs(float(88)) * unit];
  if (short(252) > 0) {
    const r = rotation(float(256), float(260), float(264));
    const side = float(76) < 0 ? -1 : 1;
    const column = (c: number, length: number): Vec3 => [r[c] * length, r[3 + c] * length, r[6 + c] * length];
    return frame(column(0, size[0]), column(1, size[1]), column(2, side * size[2]), triple(268, 4), shape);
  }
  const middle = (axis: number) => ((shape[axis] - 1) / 2) * size[axis];
  return frame([-size[0], 0, 0], [0, size[1], 0], [0, 0, size[2]], [middle(0), -middle(1), -middle(2)], shape);
}

function frame(i: Vec3, j: Vec3, k: Vec3, origin: Vec3, shape: readonly number[]): Geometry {
  // A single slice may leave its third axis empty.
  const flat = shape[2] === 1 && k.every((part) => part === 0);
  return geometryFrom({ space: "RAS", steps: [i, j, flat ? undefined : k], origin });
}

/** Row-major rotation of the quaternion (a, b, c, d) whose first part, never negative, is not stored. */
function rotation(b: number, c: number, d: number): readonly number[] {
  const rest = 1 - (b * b + c * c + d * d);
  if (!(rest > -1e-3)) throw badVolume("The NIfTI header holds an impossible rotation (qform). Export the image again with a valid orientation.");
  const a = Math.sqrt(Math.max(rest, 0));
  const n = 2 / (a * a + b * b + c * c + d * d);
  return [
    1 - n * (c * c + d * d), n * (b * c - a * d), n * (b * d + a * c),
    n * (b * c + a * d), 1 - n * (b * b + d * d), n * (c * d - a * b),
    n * (b * d - a * c), n * (c * d + a * b), 1 - n * (b * b + c * c),
  ];
}
