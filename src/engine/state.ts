/** Probability volumes on disk: uint8, gzip; written whole under another name, then renamed. */
import { randomBytes } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { constants, gunzip, gzip } from "node:zlib";
import { LimnetError } from "../errors.js";

const pack = promisify(gzip);
const unpack = promisify(gunzip);

/** Reads a volume of `voxels` bytes. Throws engine_failed when it is missing, damaged or of another size. */
export async function readState(path: string, voxels: number): Promise<Uint8Array> {
  let cause: unknown;
  try {
    // One piece of output as large as all of it: pieces of the usual 16 kB cost ten times the unpacking.
    const bytes = await unpack(await readFile(path), { maxOutputLength: Math.max(1, voxels), chunkSize: Math.max(64, voxels + 1) });
    if (bytes.length === voxels) return bytes;
  } catch (error) {
    cause = error;
  }
  throw new LimnetError("engine_failed", "The kept result of the last round is missing, damaged or belongs to another image. Reset the object and click again.", { cause });
}

/** The error for a result or a line of a journal that has no room on the disk. */
export function diskFull(cause: unknown): LimnetError {
  return new LimnetError("disk_full", "The disk of the server is full, so the result could not be kept. Nothing of before is lost: free some space and send the clicks again.", { cause });
}

/**
 * After a crash there is the old file or the new one, never a part. Not `synced`: only a crash of the machine could leave a part, for
 * whoever knows the digest, or syncs by itself (journal.ts). Level 1 with runs alone: a quarter of the time of level 6, and masks are
 * made of runs.
 */
export async function writeState(path: string, volume: Uint8Array, { synced = true } = {}): Promise<void> {
  const bytes = await pack(volume, { level: 1, strategy: constants.Z_RLE, chunkSize: 1 << 18 });
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    const file = await open(temporary, "wx");
    try {
      await file.writeFile(bytes);
      if (synced) await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    if (!synced) return;
    const folder = await open(dirname(path), "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch (cause) {
    await rm(temporary, { force: true });
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOSPC" || code === "EDQUOT") throw diskFull(cause);
    throw new LimnetError("engine_failed", "The result could not be written. Check the free space and the rights of the state folder.", { cause });
  }
}
