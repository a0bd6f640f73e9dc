/** A DICOM series that a client sent, as one volume file. */
import { open, readFile } from "node:fs/promises";
import { readSeries } from "../dicom/series.js";
import type { DicomOptions } from "../dicom/types.js";
import { writeNifti } from "../imaging/nifti-write.js";

/** Whether the file is DICOM Part 10: "DICM" after 128 bytes (PS3.10, 7.1). */
export async function isDicom(path: string): Promise<boolean> {
  const file = await open(path, "r");
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 128);
    return bytesRead === 4 && buffer.toString("latin1") === "DICM";
  } finally {
    await file.close();
  }
}

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
