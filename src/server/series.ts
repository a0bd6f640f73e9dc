/** A DICOM series that a client sent, as one volume file. */
import { readFile } from "node:fs/promises";
import { readSeries } from "../dicom/series.js";
import type { DicomOptions } from "../dicom/types.js";
import { writeNifti } from "../imaging/nifti-write.js";

/**
 * Writes the volume of a series (its first, where there are several) as NIfTI with the same index order: what is read for the network
 * and what the client downloads.
 * @throws LimnetError bad_volume where the files are no DICOM, damaged or no volume; unsupported_transfer_syntax; out_of_memory
 */
export async function writeSeries(files: readonly string[], target: string, options: DicomOptions): Promise<void> {
  async function* bytes(): AsyncGenerator<Uint8Array> {
    for (const file of files) yield await readFile(file);
  }
  const { volumes: [{ volume }] } = await readSeries(bytes(), { ...options, onlyFirst: true });
  await writeNifti(volume, target, { gzip: true });
}
