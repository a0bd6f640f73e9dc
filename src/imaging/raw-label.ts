/** `label.bin` of OHIF: the label volume as bare voxels, in the order of the stored image (protocol 4.4, 5.2.4). */
import { readFile, stat } from "node:fs/promises";
import { writeNifti } from "./nifti-write.js";
import { badVolume, type VolumeHeader } from "./volume.js";

/**
 * The voxels of a bare file on the grid `shape`, i fastest: one byte each (uint8) or two (uint16, little-endian), which the length of
 * the file tells.
 * @throws LimnetError bad_volume when the length is neither
 */
export async function readRawLabel(path: string, shape: VolumeHeader["shape"]): Promise<Uint8Array | Uint16Array> {
  const voxels = shape[0] * shape[1] * shape[2];
  const { size } = await stat(path);
  if (size !== voxels && size !== 2 * voxels) {
    throw badVolume(`The bare label (.bin) has ${size} bytes, and the image has ${shape.join(" x ")} = ${voxels} voxels: send one byte for each (uint8) or two (uint16, little-endian).`);
  }
  const bytes = await readFile(path);
  if (size === voxels) return new Uint8Array(bytes.buffer, bytes.byteOffset, size);
  const wide = new Uint16Array(voxels);
  Buffer.from(wide.buffer).set(bytes);
  return wide;
}

/** Writes a bare label as a volume on the grid of its image; uint8 where all values fit. Throws as readRawLabel. */
export async function convertRawLabel(path: string, { shape, geometry }: Pick<VolumeHeader, "shape" | "geometry">, target: string): Promise<void> {
  const values = await readRawLabel(path, shape);
  const voxels = values instanceof Uint16Array && values.every((value) => value < 256) ? Uint8Array.from(values) : values;
  await writeNifti({ voxels, shape, geometry, slope: 1, intercept: 0 }, target, { gzip: true });
}
