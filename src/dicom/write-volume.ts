/** A planned volume straight into a NIfTI file, piece by piece: it is never in memory as a whole, beside the files that it is made of. */
import { type FileHandle, open } from "node:fs/promises";
import { layNifti } from "../imaging/nifti-write.js";
import type { DigestThread } from "./digest-thread.js";
import { laidOut, place } from "./layout.js";
import type { VolumePlan } from "./plan.js";
import { decodeSlice, type Ready } from "./series.js";
import type { DecodedFrame, FrameDecoder } from "./types.js";

/** Bytes that are filled before they are hashed and written: they stay in the cache of the processor meanwhile. */
const pieceBytes = 1 << 21;

export interface WriteVolumeOptions {
  readonly decoder: FrameDecoder;
  readonly digests: DigestThread;
  readonly signal?: AbortSignal;
}

/**
 * Writes the file that writeNifti would write of the filled volume; gives its sha256 in hexadecimal.
 * @throws LimnetError bad_volume, unsupported_transfer_syntax, unsupported_output; what the file system throws
 */
export async function writeVolume(plan: VolumePlan, options: WriteVolumeOptions, ready: Ready, path: string): Promise<string> {
  const { parts, shape, geometry } = plan;
  const frames: DecodedFrame[] = [];
  for (const slice of parts) frames.push(ready(slice) ?? (await decodeSlice(slice, options.decoder, options.signal)));
  const { type, slope, intercept, filling } = await laidOut(plan, frames, options.signal);
  const { header } = layNifti({ voxels: new type(0), shape, geometry, slope, intercept }, { gzip: false });
  const area = shape[0] * shape[1];
  const perPiece = Math.max(1, Math.floor(pieceBytes / (area * type.BYTES_PER_ELEMENT)));
  const sum = options.digests.begin();
  const handle = await open(path, "w");
  try {
    await handle.write(header, 0, header.length);
    // Three pieces in turn: one is filled while the others are summed and on their way to the disk.
    const pieces = [0, 1, 2].map(() => ({ voxels: new type(new SharedArrayBuffer(area * perPiece * type.BYTES_PER_ELEMENT)), used: Promise.resolve() }));
    try {
      pieces[0].used = sum.add(shared(header)).then(() => {});
      for (let k = 0, n = 0; k < parts.length; k += perPiece, n++) {
        const piece = pieces[n % 3];
        await piece.used;
        options.signal?.throwIfAborted();
        const count = Math.min(perPiece, parts.length - k);
        for (let at = 0; at < count; at++) place(piece.voxels, at * area, parts[k + at], frames[k + at], filling(parts[k + at]));
        const bytes = new Uint8Array(piece.voxels.buffer, 0, count * area * type.BYTES_PER_ELEMENT);
        piece.used = Promise.all([sum.add(bytes), writeAll(handle, bytes, header.length + k * area * type.BYTES_PER_ELEMENT)]).then(() => {});
        piece.used.catch(() => {});
      }
    } finally {
      await Promise.allSettled(pieces.map(({ used }) => used));
    }
    for (const { used } of pieces) await used;
  } finally {
    await handle.close();
  }
  return sum.end();
}

export async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
}

function shared(bytes: Uint8Array): Uint8Array<SharedArrayBuffer> {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}
