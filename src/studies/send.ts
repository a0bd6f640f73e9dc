/** A folder of DICOM on its way into an archive: found, sent in small lots, each answer read. */
import { open, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { splitName, imageExtensions } from "../datastore/names.js";
import { parseInstance } from "../dicom/instance.js";
import { parsePart10 } from "../dicom/part10.js";
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
  /** Paths by reason. */
  readonly failed: ReadonlyMap<string, readonly string[]>;
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

/**
 * Sends the files; `progress` hears of every lot. A lot that an archive refuses as a whole is sent again file by file, so that one bad
 * file does not keep its neighbours out. Throws where the archive refuses this server.
 */
export async function sendStudies(client: ArchiveClient, files: Found["dicom"], progress: (sent: Sent) => void, signal?: AbortSignal): Promise<Sent> {
  const failed = new Map<string, string[]>();
  const sent = { stored: 0, bytes: 0, failed };
  for (const lot of lots(files)) {
    const reasons = await sendLot(client, lot, signal);
    for (const [at, reason] of reasons.entries()) if (reason !== null) failed.set(reason, [...(failed.get(reason) ?? []), lot[at].path]);
    sent.stored += reasons.filter((reason) => reason === null).length;
    sent.bytes += lot.reduce((sum, one) => sum + one.bytes, 0);
    progress(sent);
  }
  return sent;
}

/**
 * For each file why it is not in the archive; null where it is. A damaged one is not sent: archives say of a UID that they have already
 * that it is stored, whatever the file holds, and some would replace the good one.
 */
async function sendLot(client: ArchiveClient, lot: Found["dicom"], signal?: AbortSignal): Promise<(string | null)[]> {
  const contents = await Promise.all(lot.map(({ path }) => readFile(path)));
  const whole = await Promise.all(contents.map(isWhole));
  try {
    const good = contents.filter((_, at) => whole[at]);
    const { stored, failed } = good.length > 0 ? await storeTwice(client, good, signal) : { stored: [], failed: [] };
    return await Promise.all(contents.map(async (content, at) => {
      if (!whole[at]) return damaged;
      const uid = await instanceOf(content);
      // Some archives say what failed without saying which.
      const failure = failed.find(({ instance }) => instance === uid) ?? (lot.length === 1 ? failed[0] : undefined);
      if (failure) return failure.reason ? `${failure.meaning} (${failure.reason})` : failure.meaning;
      return stored.some(({ instance }) => instance === uid) ? null : (failed.find(({ instance }) => instance === "")?.meaning ?? "the archive said nothing of it, as it does of files that are cut off or without UIDs of study and series");
    }));
  } catch (error) {
    if (!(error instanceof LimnetError) || !isPassing(error)) throw error;
    if (lot.length === 1 || error.code !== "archive_answer") return lot.map((_, at) => (whole[at] ? error.message : damaged));
    const reasons: (string | null)[] = [];
    for (const file of lot) reasons.push(...await sendLot(client, [file], signal));
    return reasons;
  }
}

const damaged = "the file is damaged or cut off, and was not sent: get it again from where it came";

/** True for a file whose elements can be read to its end. */
function isWhole(content: Buffer): Promise<boolean> {
  return parsePart10(content).then(() => true, () => false);
}

/** As the archive will name the file; some writers leave the UID out of its head. "" where the file cannot be read to its end. */
async function instanceOf(content: Buffer): Promise<string> {
  return fileMeta(content)?.sopInstance || parseInstance(content).then(({ sopInstanceUid }) => sopInstanceUid, () => "");
}

async function storeTwice(client: ArchiveClient, files: readonly Buffer[], signal?: AbortSignal) {
  try {
    return await client.store(files, signal);
  } catch (error) {
    // What it answered with a refusal it will refuse again; what did not get through may do so now.
    if (!isPassing(error) || signal?.aborted || (error as LimnetError).code === "archive_answer") throw error;
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
