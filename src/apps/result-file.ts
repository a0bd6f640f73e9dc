/** The file of a result: in memory where it is small, so that nothing is written and deleted for one answer; else on the disk. */
import { randomUUID } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { encodeMask, type MaskOptions, maskParts } from "../imaging/mask.js";
import type { Geometry, Shape } from "../imaging/geometry.js";

export interface ResultFile {
  /** Where it lies, or may be put (onDisk). To be deleted after the answer. */
  readonly path: string;
  readonly ext: string;
  /** The content, piece by piece, where it is in memory: nothing lies at `path` then. */
  readonly parts?: readonly Uint8Array[];
}

/** Largest mask, in voxels, whose file is kept in memory until it is sent. */
const mostVoxels = 2 ** 25;

/** The mask (0 and labels, grid of the image) in the wanted container. Throws as encodeMask. */
export async function resultFile(
  mask: Uint8Array, { shape, geometry }: { readonly shape: Shape; readonly geometry: Geometry }, ext: string, tempDir: string, options: MaskOptions,
): Promise<ResultFile> {
  const file = { path: path.join(tempDir, `${randomUUID()}${ext}`), ext };
  if (mask.length <= mostVoxels) return { ...file, parts: await maskParts(mask, shape, geometry, ext, options) };
  await mkdir(tempDir, { recursive: true, mode: 0o700 });
  await encodeMask(mask, shape, geometry, ext, file.path, options);
  return file;
}

/** Its path, for who needs a file. */
export async function onDisk({ path: target, parts }: ResultFile): Promise<string> {
  if (parts) {
    await mkdir(path.dirname(target), { recursive: true, mode: 0o700 });
    await writeFile(target, parts);
  }
  return target;
}
