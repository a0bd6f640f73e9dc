/** A folder of DICOM on its way into an archive: found, sent in small lots, each answer read. */
import { open, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { splitName, imageExtensions } from "../datastore/names.js";
import type { ArchiveClient } from "../dicomweb/client.js";
import { isPassing } from "../dicomweb/errors.js";
import { fileMeta } from "../dicomweb/part10.js";
import { LimnetError } from "../errors.js";

export interface Found {
  /** DICOM Part 10 files, with their sizes. */
  readonly dicom: readonly { readonly path: string; readonly bytes: number }[];
  /** NIfTI, NRRD and MetaImage volumes: an archive does not take them. */
  readonly volumes: readonly string[];
  readonly others: number;
}

export interface Sent {
  readonly stored: number;
  readonly bytes: number;
  /** By reason. */
  readonly failed: ReadonlyMap<string, number>;
}

const filesPerLot = 20;
const bytesPerLot = 64 * 2 ** 20;
/** SOP class of a DICOMDIR: the list of a disk, not an image. */
const directoryStorage = "1.2.840.10008.1.3.10";

/** Looks through a folder and all below it; DICOM is known by its first bytes, not by its name. */
export async function findStudies(folder: string): Promise<Found> {
  const found = { dicom: [] as { path: string; bytes: number }[], volumes: [] as string[], others: 0 };
  for (const entry of (await readdir(folder, { withFileTypes: true, recursive: true })).sort((a, b) => (join(a.parentPath, a.name) < join(b.parentPath, b.name) ? -1 : 1))) {
    if (!entry.isFile() || entry.name.startsWith(".")) continue;
    const path = join(entry.parentPath, entry.name);
    if (splitName(entry.name, imageExtensions)) found.volumes.push(path);
    else if (await isImageFile(path)) found.dicom.push({ path, bytes: (await stat(path)).size });
    else found.others++;
  }
  return found;
}

/** Sends the files; `progress` hears of every lot. A lot that did not get through is tried once more. Throws where the archive refuses this server. */
export async function sendStudies(client: ArchiveClient, files: Found["dicom"], progress: (sent: Sent) => void, signal?: AbortSignal): Promise<Sent> {
  const failed = new Map<string, number>();
  let stored = 0;
  let bytes = 0;
  const fail = (reason: string, count = 1) => failed.set(reason, (failed.get(reason) ?? 0) + count);
  for (const lot of lots(files)) {
    const contents = await Promise.all(lot.map(({ path }) => readFile(path)));
    try {
      const answer = await storeTwice(client, contents, signal);
      stored += answer.stored.length;
      for (const { meaning, reason } of answer.failed) fail(reason ? `${meaning} (${reason})` : meaning);
      const silent = lot.length - answer.stored.length - answer.failed.length;
      if (silent > 0) fail("the archive said nothing of it", silent);
    } catch (error) {
      if (!(error instanceof LimnetError) || !isPassing(error)) throw error;
      fail(error.message, lot.length);
    }
    bytes += lot.reduce((sum, one) => sum + one.bytes, 0);
    progress({ stored, bytes, failed });
  }
  return { stored, bytes, failed };
}

async function storeTwice(client: ArchiveClient, files: readonly Buffer[], signal?: AbortSignal) {
  try {
    return await client.store(files, signal);
  } catch (error) {
    if (!isPassing(error) || signal?.aborted) throw error;
    return client.store(files, signal);
  }
}

function* lots(files: Found["dicom"]): Generator<Found["dicom"][number][]> {
  let lot: Found["dicom"][number][] = [];
  let bytes = 0;
  for (const file of files) {
    if (lot.length > 0 && (lot.length === filesPerLot || bytes + file.bytes > bytesPerLot)) {
      yield lot;
      [lot, bytes] = [[], 0];
    }
    lot.push(file);
    bytes += file.bytes;
  }
  if (lot.length > 0) yield lot;
}

async function isImageFile(path: string): Promise<boolean> {
  const handle = await open(path, "r");
  try {
    const head = Buffer.alloc(1024);
    const { bytesRead } = await handle.read(head, 0, head.length, 0);
    const meta = fileMeta(head.subarray(0, bytesRead));
    return meta !== null && meta.sopClass !== directoryStorage;
  } finally {
    await handle.close();
  }
}
