/** Bytes of an image file: bounded, never on the thread that serves requests, and never more than the file can hold. */
import { constants, type FileHandle, open } from "node:fs/promises";
import { LimnetError } from "../errors.js";
import { badVolume } from "./volume.js";

export const truncated = "The image file ends before its last voxel. It was cut off on the way: send the whole file.";

export const chunkBytes = 1 << 18;

export interface Source {
  readonly file: FileHandle;
  readonly size: number;
}

/**
 * Opens a regular file for the time of `use`. Errors of the file system become LimnetErrors without a path.
 * @throws LimnetError not_found, bad_volume, out_of_memory, or what `use` throws
 */
export async function withSource<T>(path: string, use: (source: Source) => Promise<T>): Promise<T> {
  let file: FileHandle | undefined;
  try {
    // Without O_NONBLOCK, a named pipe would be waited for.
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const stat = await file.stat();
    if (!stat.isFile()) throw badVolume("The image is not a file. Send one .nii.gz, .nii, .nrrd or .mha file.");
    return await use({ file, size: stat.size });
  } catch (error) {
    throw readable(error);
  } finally {
    await file?.close();
  }
}

function readable(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (error instanceof LimnetError || typeof code !== "string") return error;
  if (code === "ENOENT") return new LimnetError("not_found", "The image file is no longer there.", { cause: error });
  if (code === "Z_BUF_ERROR") return badVolume(truncated, error);
  if (code.startsWith("Z_")) {
    return badVolume("The compressed part of the image file is damaged. Send the file again, or export it again.", error);
  }
  if (/^E[A-Z]+$/.test(code)) return badVolume(`The image file cannot be read (${code}). Check that the server may read it.`, error);
  return error;
}

/** The first `bytes` of the file, fewer if it is shorter. */
export async function readHead({ file, size }: Source, bytes: number): Promise<Buffer> {
  const head = Buffer.alloc(Math.min(bytes, size));
  let done = 0;
  while (done < head.length) {
    const { bytesRead } = await file.read(head, done, head.length - done, done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return head.subarray(0, done);
}

/** Memory for a volume that the file can really hold; a lying header is refused before anything is allocated. */
export function allocate(bytes: number): ArrayBuffer {
  try {
    return new ArrayBuffer(bytes);
  } catch (error) {
    throw new LimnetError("out_of_memory", `The image needs ${Math.ceil(bytes / 2 ** 20)} MiB of memory, more than there is. Crop or resample it.`, { cause: error });
  }
}

/** `bytes` raw bytes from `start` on; what follows them is ignored. */
export async function readRaw({ file, size }: Source, start: number, bytes: number): Promise<ArrayBuffer> {
  if (start < 0 || start + bytes > size) throw badVolume(truncated);
  const buffer = allocate(bytes);
  const target = new Uint8Array(buffer);
  for (let done = 0; done < bytes; ) {
    const { bytesRead } = await file.read(target, done, Math.min(bytes - done, 1 << 26), start + done);
    if (bytesRead === 0) throw badVolume(truncated);
    done += bytesRead;
  }
  return buffer;
}

/** The bytes from `start` up to `end`, piece by piece. (A ReadStream would close the file when it is done.) */
export async function* pieces(file: FileHandle, start: number, end: number): AsyncGenerator<Buffer> {
  for (let at = start; at < end; ) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(Math.min(chunkBytes, end - at)), 0, undefined, at);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

/** `count` decimal numbers, read as text from `start` on. */
export async function readText({ file, size }: Source, start: number, count: number): Promise<Float64Array> {
  if (2 * count - 1 > size - start) throw badVolume(truncated);
  const out = new Float64Array(allocate(8 * count));
  let at = 0;
  let rest = "";
  const take = (word: string) => {
    if (word === "" || at >= count) return;
    out[at] = Number(word);
    if (Number.isNaN(out[at]) && !/^[+-]?nan$/i.test(word)) throw badVolume("The text that should hold the voxels holds something that is not a number. Export the image again, compressed or raw.");
    at++;
  };
  for await (const part of pieces(file, start, size)) {
    const words = (rest + part.toString("latin1")).split(/[\s,]+/);
    rest = words.pop() ?? "";
    if (rest.length > 400) throw badVolume("The text that should hold the voxels holds something that is not a number. Export the image again, compressed or raw.");
    for (const word of words) take(word);
    if (at >= count) break;
  }
  take(rest);
  if (at < count) throw badVolume(truncated);
  return out;
}
