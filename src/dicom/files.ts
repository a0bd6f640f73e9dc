/** DICOM files on the disk: which ones there are, and a series of them as one volume file. */
import { type FileHandle, open, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { nullIfAway } from "../durable.js";
import { LimnetError } from "../errors.js";
import { writeNrrd } from "../imaging/nrrd-write.js";
import { badVolume } from "../imaging/volume.js";
import { isPart10 } from "./part10.js";
import { readSeries } from "./series.js";
import type { DicomOptions, PlannedVolume } from "./types.js";

/** Container of converted series: LPS and shears as DICOM has them, numbers without loss, no packing to wait for. */
export const volumeExtension = ".nrrd";

/** Most bytes of the files of one series, which are in memory at once while it is read. */
const mostBytes = 6e9;

/** True for a regular file that begins as a DICOM Part 10 file does. */
export async function isDicomFile(path: string): Promise<boolean> {
  let file: FileHandle | undefined;
  try {
    if (!(await stat(path)).isFile()) return false;
    file = await open(path);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(133), 0, 133, 0);
    return isPart10(buffer.subarray(0, bytesRead));
  } catch (error) {
    nullIfAway(error as NodeJS.ErrnoException);
    return false;
  } finally {
    await file?.close();
  }
}

export interface SeriesFile {
  readonly path: string;
  /** Changes when the file does. */
  readonly stamp: string;
}

/** The files that lie in a folder (not below it), in the order of their names; hidden ones left out. */
export async function filesIn(folder: string): Promise<SeriesFile[]> {
  const names = (await readdir(folder)).filter((name) => !name.startsWith(".")).sort();
  const files = await Promise.all(names.map(async (name) => {
    const found = await stat(join(folder, name), { bigint: true }).catch(() => null);
    return found?.isFile() ? [{ path: join(folder, name), stamp: `${name}/${found.size}/${found.mtimeNs}` }] : [];
  }));
  return files.flat();
}

/**
 * Reads a series from its files and writes its first volume to `target` (volumeExtension, real values). Files that are no DICOM
 * (thumbnails, notes) are passed over.
 * @throws LimnetError as readSeries; too_large where the files are beyond what fits in memory
 */
export async function convertSeries(paths: readonly string[], target: string, options: DicomOptions): Promise<PlannedVolume> {
  const files: Buffer[] = [];
  let bytes = 0;
  for (const path of paths) {
    options.signal?.throwIfAborted();
    if (!(await isDicomFile(path))) continue;
    bytes += (await stat(path)).size;
    if (bytes > mostBytes) throw new LimnetError("too_large", `The files of the series have more than ${mostBytes / 1e9} GB. Split the series.`);
    files.push(await readFile(path));
  }
  if (files.length === 0) throw badVolume("There are no DICOM files in the series. Send DICOM Part 10 files.");
  const { volumes: [{ volume, ...source }] } = await readSeries(files, { ...options, onlyFirst: true });
  await writeNrrd(volume, target, { encoding: "raw" });
  return { ...source, shape: volume.shape, geometry: volume.geometry };
}
