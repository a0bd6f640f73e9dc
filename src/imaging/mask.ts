import { LimnetError } from "../errors.js";
import { arrayOf } from "./dtype.js";
import type { Geometry, Shape } from "./geometry.js";
import { layNifti } from "./nifti-write.js";
import { layNrrd, type Segment } from "./nrrd-write.js";
import type { Volume } from "./volume.js";
import { type Laid, partsOf, writeParts } from "./write.js";

/** Containers in which a mask can be written. */
export const maskExtensions = [".nii.gz", ".nii", ".nrrd", ".seg.nrrd"] as const;

export type MaskExtension = (typeof maskExtensions)[number];

/** Sample types of a written mask. */
export const maskDtypes = ["uint8", "uint16", "int16"] as const;

export interface MaskOptions {
  /** uint8 when not given. */
  readonly dtype?: (typeof maskDtypes)[number];
  /** gzip inside a .nrrd or .seg.nrrd; off when not given, as OHIF reads raw data only. */
  readonly compress?: boolean;
  /** Objects of a .seg.nrrd; one segment named "label" of value 1 when not given. */
  readonly segNrrd?: readonly Segment[];
}

/**
 * Writes a result file: `mask` (nx * ny * nz, i fastest) on the grid of its image, in the container that
 * `extension` names (with the dot, any case).
 * @throws LimnetError bad_params for an unknown extension or dtype; what writeNifti and writeNrrd throw
 */
export async function encodeMask(
  mask: Uint8Array, shape: Shape, geometry: Geometry, extension: string, path: string, options: MaskOptions = {},
): Promise<void> {
  checkSize(mask, shape);
  const { header, voxels, gzip } = layMask(mask, shape, geometry, extension, options);
  await writeParts(path, header, voxels, gzip);
}

/** The same file as pieces in memory. */
export async function maskParts(mask: Uint8Array, shape: Shape, geometry: Geometry, extension: string, options: MaskOptions = {}): Promise<Uint8Array[]> {
  checkSize(mask, shape);
  return partsOf(layMask(mask, shape, geometry, extension, options));
}

/** What stands before the voxels of such a file, where they follow as they are, a byte each; null where they do not. Throws as encodeMask. */
export function plainHeader(shape: Shape, geometry: Geometry, extension: string, options: MaskOptions = {}): Buffer | null {
  const { header, voxels, gzip } = layMask(new Uint8Array(0), shape, geometry, extension, options);
  return gzip === "none" && voxels.BYTES_PER_ELEMENT === 1 ? header : null;
}

function checkSize(mask: Uint8Array, shape: Shape): void {
  if (mask.length !== shape[0] * shape[1] * shape[2]) throw new RangeError(`a mask of ${mask.length} voxels for a grid of ${shape.join(" x ")}`);
}

function layMask(mask: Uint8Array, shape: Shape, geometry: Geometry, extension: string, options: MaskOptions): Laid {
  const { dtype = "uint8", compress = false, segNrrd = [{ name: "label", value: 1 }] } = options;
  if (!maskDtypes.includes(dtype)) {
    throw new LimnetError("bad_params", `Masks are not written in that type. Choose one of ${maskDtypes.join(", ")}.`);
  }
  const volume: Volume = { voxels: dtype === "uint8" ? mask : arrayOf[dtype].from(mask), shape, geometry, slope: 1, intercept: 0 };
  const encoding = compress ? "gzip" : "raw";
  switch (extension.toLowerCase()) {
    case ".nii.gz": return layNifti(volume, { gzip: true });
    case ".nii": return layNifti(volume, { gzip: false });
    case ".nrrd": return layNrrd(volume, { encoding });
    case ".seg.nrrd": return layNrrd(volume, { encoding, segments: segNrrd });
    default:
      throw new LimnetError("bad_params", `Masks are not written with that file extension. Choose one of ${maskExtensions.join(", ")}.`);
  }
}
