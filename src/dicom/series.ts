/** A whole series, from the bytes of its files to its volumes. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { SeriesAssembler } from "./assembler.js";
import { LocalDecoder } from "./codecs/decode.js";
import { type Instance, parseInstance } from "./instance.js";
import { laidOut, place } from "./layout.js";
import { planSeries, type VolumePlan } from "./plan.js";
import type { Slice } from "./stack.js";
import { makeArray, settle } from "./storage.js";
import type { DecodedFrame, DicomOptions, FrameDecoder, Series, SeriesVolume } from "./types.js";

/** Frames under way at once: enough for every core to have one more waiting. */
const lanes = 16;
/** Milliseconds after which other requests get their turn. */
const longestTurnMs = 10;

/** Decoded frames that are already there, by instance and frame number. */
export type Ready = (slice: Slice) => DecodedFrame | undefined;

/**
 * Reads DICOM Part 10 files of one series, in any order.
 * @throws LimnetError bad_volume where a file is damaged, or there is no volume in them; unsupported_transfer_syntax
 *   (ask for the instances in Explicit VR Little Endian instead); out_of_memory; the reason of options.signal
 */
export async function readSeries(files: Iterable<Uint8Array> | AsyncIterable<Uint8Array>, options: DicomOptions = {}): Promise<Series> {
  if (Symbol.asyncIterator in files) {
    const assembler = new SeriesAssembler(options);
    await addAll(assembler, files);
    return assembler.finish();
  }
  const instances: Instance[] = [];
  for (const bytes of files) {
    options.signal?.throwIfAborted();
    instances.push(await parseInstance(bytes));
  }
  return buildSeries(instances, options);
}

/** Several instances are decoded at once while more are on their way. */
async function addAll(assembler: SeriesAssembler, files: AsyncIterable<Uint8Array>): Promise<void> {
  const underWay = new Set<Promise<void>>();
  let failure: { readonly reason: unknown } | undefined;
  for await (const bytes of files) {
    const one: Promise<void> = assembler.add(bytes).then(() => {}, (reason: unknown) => void (failure ??= { reason })).finally(() => underWay.delete(one));
    underWay.add(one);
    if (underWay.size >= lanes) await Promise.race(underWay);
    if (failure) break;
  }
  await Promise.all(underWay);
  if (failure) throw failure.reason;
}

/** Decodes what is not ready and puts every slice in its place. */
export async function buildSeries(instances: readonly Instance[], options: DicomOptions, ready: Ready = () => undefined): Promise<Series> {
  const { volumes, skipped } = planSeries(instances, options);
  const built: SeriesVolume[] = [];
  for (const plan of options.onlyFirst ? volumes.slice(0, 1) : volumes) built.push(await buildVolume(plan, options, ready));
  return { volumes: built, skipped };
}

/** Fills one planned volume. */
export async function buildVolume(plan: VolumePlan, { decoder = new LocalDecoder(), signal }: DicomOptions, ready: Ready): Promise<SeriesVolume> {
  const { parts, storage, shape, geometry, info, slices, attributes } = plan;
  const area = shape[0] * shape[1];
  const frames = parts.map(ready);
  // Where all frames are at hand, what becomes of them is known before, and each value is written once.
  const layout = frames.every((frame) => frame !== undefined) ? await laidOut(plan, frames, signal) : null;
  const kept = makeArray(layout?.dtype ?? storage.dtype, area * shape[2]);
  let next = 0;
  let turn = performance.now();
  const lane = async () => {
    while (next < parts.length) {
      const k = next++;
      const slice = parts[k];
      place(kept, k * area, slice, frames[k] ?? (await decodeSlice(slice, decoder, signal)), (layout ?? storage).filling(slice));
      signal?.throwIfAborted();
      if (performance.now() - turn < longestTurnMs) continue;
      // Other requests get their turn.
      await nextTurn();
      turn = performance.now();
    }
  };
  await allOrNothing(Array.from({ length: Math.min(lanes, parts.length) }, lane), () => (next = parts.length));
  const settled = layout ? { voxels: kept, slope: layout.slope, intercept: layout.intercept } : settle(kept, storage);
  return { volume: { shape, geometry, ...settled }, info, slices, attributes };
}

export function decodeSlice({ instance, frame }: Slice, decoder: FrameDecoder, signal?: AbortSignal): Promise<DecodedFrame> {
  return decoder.decode(instance.pixels!.frame(frame.number), signal);
}

/** Waits for all; the first failure stops the others from beginning anything new. */
async function allOrNothing(work: readonly Promise<void>[], stop: () => void): Promise<void> {
  const results = await Promise.allSettled(work.map((one) => one.catch((error: unknown) => {
    stop();
    throw error;
  })));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}
