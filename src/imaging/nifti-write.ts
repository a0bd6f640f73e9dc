import { LimnetError } from "../errors.js";
import { determinant, nearestOrthogonal, unitColumns } from "./affine.js";
import { dtypeOf, sampleBytes } from "./dtype.js";
import { checkGeometry, type Geometry, spacing, stepMatrix } from "./geometry.js";
import { niftiDataOffset, niftiHeaderBytes, niftiTypes } from "./nifti.js";
import type { Volume } from "./volume.js";
import { type Laid, writeParts } from "./write.js";

/** NIFTI_XFORM_SCANNER_ANAT: patient coordinates of the scanner. */
const scanner = 1;

/**
 * Writes a single-file NIfTI-1: little-endian, millimetres, sform and qform with code 1. Stored values, slope and
 * intercept are kept as they are. A sheared grid has no qform (code 0), as a rotation cannot say it.
 * @throws LimnetError unsupported_output when an axis is too long for NIfTI-1; bad_volume on a singular geometry
 */
export async function writeNifti(volume: Volume, path: string, { gzip }: { gzip: boolean }): Promise<void> {
  const laid = layNifti(volume, { gzip });
  await writeParts(path, laid.header, laid.voxels, laid.gzip);
}

/** What writeNifti writes. Throws as it does. */
export function layNifti(volume: Volume, { gzip }: { gzip: boolean }): Laid {
  return { header: niftiHeader(volume), voxels: volume.voxels, gzip: gzip ? "all" : "none" };
}

function niftiHeader({ voxels, shape, geometry, slope, intercept }: Volume): Buffer {
  if (shape.some((size) => size > 32767)) {
    throw new LimnetError("unsupported_output", "NIfTI-1 holds at most 32767 voxels along an axis. Ask for .nrrd instead.");
  }
  const dtype = dtypeOf(voxels);
  const header = Buffer.alloc(niftiDataOffset);
  header.writeInt32LE(niftiHeaderBytes, 0);
  [3, ...shape, 1, 1, 1, 1].forEach((size, at) => { header.writeInt16LE(size, 40 + 2 * at); });
  header.writeInt16LE(niftiTypes[dtype], 70);
  header.writeInt16LE(8 * sampleBytes[dtype], 72);
  [...spacing(checkGeometry(geometry)), 1, 1, 1, 1].forEach((size, at) => { header.writeFloatLE(size, 80 + 4 * at); });
  header.writeFloatLE(niftiDataOffset, 108);
  header.writeFloatLE(slope, 112);
  header.writeFloatLE(intercept, 116);
  header.writeUInt8(2, 123); // NIFTI_UNITS_MM
  header.writeInt16LE(scanner, 254);
  geometry.affine.forEach((value, at) => { header.writeFloatLE(value, 280 + 4 * at); });
  writeQform(header, geometry);
  header.write("n+1\0", 344, "latin1");
  return header;
}

/** The grid as rotation, spacing and handedness (nifti1.h, method 2). */
function writeQform(header: Buffer, geometry: Geometry): void {
  const axes = unitColumns(stepMatrix(geometry));
  const r = nearestOrthogonal(axes);
  const side = determinant(r) < 0 ? -1 : 1;
  const [b, c, d] = quaternion([r[0], r[1], side * r[2], r[3], r[4], side * r[5], r[6], r[7], side * r[8]]);
  const sheared = axes.some((value, at) => Math.abs(value - r[at]) > 1e-4);
  header.writeFloatLE(side, 76);
  header.writeInt16LE(sheared ? 0 : scanner, 252);
  const a = geometry.affine;
  [b, c, d, a[3], a[7], a[11]].forEach((value, at) => { header.writeFloatLE(value, 256 + 4 * at); });
}

/** Parts b, c, d of the unit quaternion of a rotation, with a >= 0; divides by the largest part, so never by zero. */
function quaternion(r: readonly number[]): readonly [number, number, number] {
  const squares = [1 + r[0] + r[4] + r[8], 1 + r[0] - r[4] - r[8], 1 - r[0] + r[4] - r[8], 1 - r[0] - r[4] + r[8]];
  const largest = squares.indexOf(Math.max(...squares));
  // Sums and differences of the matrix are 4 times the products of two parts.
  const products = [
    [squares[0], r[7] - r[5], r[2] - r[6], r[3] - r[1]],
    [r[7] - r[5], squares[1], r[1] + r[3], r[2] + r[6]],
    [r[2] - r[6], r[1] + r[3], squares[2], r[5] + r[7]],
    [r[3] - r[1], r[2] + r[6], r[5] + r[7], squares[3]],
  ][largest];
  const scale = (products[0] < 0 ? -0.5 : 0.5) / Math.sqrt(squares[largest]);
  return [products[1] * scale, products[2] * scale, products[3] * scale];
}
