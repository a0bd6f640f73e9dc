/** A planned volume straight into a NIfTI file, piece by piece: it is never in memory as a whole, beside the files that it is made of. */
import { open } from "node:fs/promises";
import { setImmediate as nextTurn } from "node:timers/promises";
import { arrayOf } from "../imaging/dtype.js";
import { layNifti } from "../imaging/nifti-write.js";
import type { DigestThread } from "./digest-thread.js";
import type { VolumePlan } from "./plan.js";
import { fill, type Filling, plainWords, type Samples, storedRange } from "./samples.js";
import { decodeSlice, type Ready } from "./series.js";
import type { Slice } from "./stack.js";
import { allFit, fitsWords, mayFold } from "./storage.js";
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
      pieces[0].used = sum.add(shared(header));
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

interface Layout {
  readonly type: (new (memory: SharedArrayBuffer) => Samples & { readonly buffer: SharedArrayBuffer }) & (new (size: number) => Samples) & { readonly BYTES_PER_ELEMENT: number };
  readonly slope: number;
  readonly intercept: number;
  filling(slice: Slice): Filling;
}

/** As `settle` decides it for a volume in memory. */
async function laidOut({ parts, storage, shape }: VolumePlan, frames: readonly DecodedFrame[], signal?: AbortSignal): Promise<Layout> {
  const { dtype, slope, intercept, inverted } = storage;
  const type = arrayOf[dtype];
  const asItIs: Layout = { type, slope, intercept, filling: (slice) => storage.filling(slice) };
  if (!mayFold(storage, type)) return asItIs;
  const folded: Layout = { type: Int16Array, slope: 1, intercept: 0, filling: () => ({ slope, intercept, inverted }) };
  // The bits of a pixel alone may say that everything fits: the 12 of most CT do.
  if (parts.every(({ instance }) => fitsWords(storage, storedRange(instance.format!)))) return folded;
  const scratch = new type(shape[0] * shape[1]);
  for (const [k, slice] of parts.entries()) {
    const words = inverted ? null : plainWords(frames[k], slice.instance.format!);
    if (!words) place(scratch, 0, slice, frames[k], storage.filling(slice));
    if (!allFit(storage, words ?? scratch)) return asItIs;
    if (k % 16 === 15) await nextTurn();
    signal?.throwIfAborted();
  }
  return folded;
}

function place(out: Samples, at: number, { instance }: Slice, frame: DecodedFrame, filling: Filling): void {
  fill(out, at, frame, instance.format!, instance.dataset, filling);
}

async function writeAll(handle: Awaited<ReturnType<typeof open>>, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
}

function shared(bytes: Uint8Array): Uint8Array<SharedArrayBuffer> {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}
