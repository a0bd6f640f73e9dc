/** Probability volumes on disk: uint8, gzip; written whole under another name, then renamed. */
import { createHash, randomBytes } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { constants, gunzip, gzip } from "node:zlib";
import { LimnetError } from "../errors.js";
import { RunPacker } from "../imaging/gzip-runs.js";

const unpack = promisify(gunzip);
/** Voxels of one gzip member: each takes half a megabyte to pack. */
const memberBytes = 1 << 21;
/** Files up to this size are packed in a third of the time, up to three times as large; larger ones are made as small as they get quickly. */
const quickBytes = 4 << 20;

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
 * Members of one gzip file that are packed side by side on the thread pool: readers of gzip take them for one. Level 1 with runs alone: a
 * quarter of the time of level 6, and masks are made of runs.
 */
async function packLarge(volume: Uint8Array): Promise<Buffer> {
  const members: Promise<Buffer>[] = [];
  for (let at = 0; at === 0 || at < volume.length; at += memberBytes) {
    members.push(promisify(gzip)(volume.subarray(at, at + memberBytes), { level: 1, strategy: constants.Z_RLE, chunkSize: 1 << 18 }));
  }
  return Buffer.concat(await Promise.all(members));
}

/** Writes states one after the other, as the memory that they are packed into is used again. */
export class StateWriter {
  readonly #packer = new RunPacker(quickBytes);
  #tail: Promise<unknown> = Promise.resolve();

  /**
   * Returns the digest of the file (SHA-256). After a crash there is the old file or the new one, never a part. Not `synced`: only a crash
   * of the machine could leave a part, for whoever knows the digest, or syncs by itself (journal.ts).
   * @throws LimnetError disk_full; engine_failed where it cannot be written
   */
  write(path: string, volume: Uint8Array, { synced = true } = {}): Promise<string> {
    const mine = this.#tail.then(async () => {
      const bytes = this.#packer.pack(volume) ?? (await packLarge(volume));
      const digest = createHash("sha256").update(bytes).digest("hex");
      await put(path, bytes, synced);
      return digest;
    });
    this.#tail = mine.catch(() => undefined);
    return mine;
  }
}

/** One state, as StateWriter writes it. */
export function writeState(path: string, volume: Uint8Array, options?: { synced?: boolean }): Promise<string> {
  return new StateWriter().write(path, volume, options);
}

async function put(path: string, bytes: Buffer, synced: boolean): Promise<void> {
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
