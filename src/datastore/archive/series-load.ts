/**
 * One series on its way from the archive into the cache: all instances in one answer, written as they come where that can be, and one
 * by one what that answer did not bring; the metadata say what there is. Every slice can be used as soon as it is here.
 */
import { join } from "node:path";
import { SeriesAssembler, type WrittenVolume } from "../../dicom/assembler.js";
import type { DigestThread } from "../../dicom/digest-thread.js";
import type { FrameDecoder, PlannedVolume } from "../../dicom/types.js";
import type { ArchiveClient, SeriesPlace } from "../../dicomweb/client.js";
import { isPassing } from "../../dicomweb/errors.js";
import type { Attributes } from "../../dicomweb/json.js";
import type { SeriesRecord } from "../../dicomweb/series.js";
import { LimnetError } from "../../errors.js";
import type { Volume } from "../../imaging/volume.js";
import type { Log } from "../log.js";
import { type CachedSeries, SeriesCache } from "./series-cache.js";
import { KnownSeries } from "./series-known.js";
import { SeriesPixels } from "./series-pixels.js";

export interface LoadParts {
  readonly client: ArchiveClient;
  readonly cache: SeriesCache;
  readonly decoder: FrameDecoder;
  readonly digests: DigestThread;
  readonly log: Log;
  readonly suv: boolean;
  /** Most voxels of a volume. */
  readonly maxVoxels?: number;
  readonly signal: AbortSignal;
}

/** A slice that has come, as a file of its own would hold it. */
export interface LoadedSlice {
  readonly k: number;
  readonly volume: Volume;
  /** Of the volume that it will be part of. */
  readonly source: PlannedVolume;
}

/**
 * The pixels begin alone: an archive that is near takes as long for the metadata as for the pixels, and both at once slow each other
 * down. The metadata are asked for when half of the images are here, or so many milliseconds have passed.
 */
const pixelsAloneMs = 250;

export class SeriesLoad {
  /** Ends when the volume is in the cache. */
  readonly done: Promise<CachedSeries>;
  readonly #parts: LoadParts;
  readonly #place: SeriesPlace & Pick<SeriesRecord, "instances">;
  /** Aborted when the server stops, and where what is known of the series makes its pixels useless. */
  readonly #stop = new AbortController();
  readonly #assembler: SeriesAssembler;
  readonly #pixels: SeriesPixels;
  #known: Promise<KnownSeries> | null = null;
  #room: Promise<string> | null = null;

  /** Begins at once. `metadata`: where they are here already. */
  constructor(parts: LoadParts, place: SeriesPlace & Pick<SeriesRecord, "instances">, metadata: readonly Attributes[] | null) {
    const signal = AbortSignal.any([parts.signal, this.#stop.signal]);
    this.#parts = { ...parts, signal };
    this.#place = place;
    this.#assembler = new SeriesAssembler({ decoder: parts.decoder, suv: parts.suv, maxVoxels: parts.maxVoxels, signal, onlyFirst: true });
    this.#pixels = new SeriesPixels({
      client: parts.client, place, signal, log: parts.log, assembler: this.#assembler,
      target: { count: place.instances ?? 0, digests: parts.digests, room: async (bytes) => SeriesCache.volumeIn(await this.#reserve(2 * bytes)) },
      onHalf: () => void this.#learn(), onCollect: () => this.#prepare(),
    });
    if (metadata) this.#prepare(metadata);
    this.done = this.#run();
    this.done.catch(() => {});
  }

  /** Slice k; asked for by itself where it has not come yet. Null where k is outside of the volume. @throws as `done` */
  async slice(k: number): Promise<LoadedSlice | null> {
    const { plan } = await this.#learn();
    const wanted = plan.slices[k];
    if (!wanted) return null;
    const arrived = await this.#pixels.slice(wanted.sopInstanceUid, wanted.frame);
    // It may have been in the file that has become the volume just now.
    const volume = await arrived?.volume().catch(() => this.done.then(() => null));
    return volume ? { k, volume, source: plan } : null;
  }

  /** Asks for the metadata once; without them the pixels are of no use. */
  #learn(metadata: readonly Attributes[] | null = null): Promise<KnownSeries> {
    if (this.#known) return this.#known;
    const { client, suv, maxVoxels, signal } = this.#parts;
    this.#known = (async () => new KnownSeries(metadata ?? await client.seriesMetadata(this.#place, signal), { suv, maxVoxels }))();
    this.#known.catch((error) => this.#stop.abort(error));
    return this.#known;
  }

  /** What has to be there before a volume is written that was not written as it came; what is in the way of it ends the load early. */
  #prepare(metadata: readonly Attributes[] | null = null): void {
    this.#learn(metadata).then(({ plan }) => this.#reserve(bytesOf(plan))).catch((error) => this.#stop.abort(error));
  }

  #reserve(bytes: number): Promise<string> {
    this.#room ??= this.#parts.cache.reserve(bytes);
    this.#room.catch(() => {});
    return this.#room;
  }

  async #run(): Promise<CachedSeries> {
    const { cache } = this.#parts;
    const later = setTimeout(() => this.#prepare(), pixelsAloneMs);
    try {
      await this.#pixels.stream();
      const known = this.#learn();
      const [{ content }, written] = await Promise.all([known, this.#written(known)]);
      return await cache.commit(await this.#room!, this.#place.series, content, written);
    } catch (error) {
      this.#stop.abort(error);
      await this.#assembler.close();
      await this.#room?.then((loading) => cache.abandon(loading), () => {});
      throw error;
    } finally {
      clearTimeout(later);
      this.#pixels.clear();
      await this.#assembler.close();
    }
  }

  /** The volume in its file. Where all that was announced is there already, the metadata need not be waited for. */
  async #written(learnt: Promise<KnownSeries>): Promise<WrittenVolume> {
    const early = this.#pixels.complete ? await this.#assembler.finishStream() : null;
    const known = await learnt;
    const { wanted } = known;
    const missing = [...wanted].filter((uid) => !this.#pixels.has(uid));
    if (missing.length > 0) this.#parts.log.info("instances are asked for one by one", { missing: missing.length, of: wanted.size });
    this.#complain(await this.#pixels.settle(missing), wanted.size);
    const written = missing.length === 0 ? early ?? await this.#assembler.finishStream() : null;
    if (written) return written;
    return this.#assembler.write(SeriesCache.volumeIn(await this.#reserve(bytesOf(known.plan))), this.#parts.digests);
  }

  /** A volume with holes that nobody knows of would be worse than none. */
  #complain(asked: readonly PromiseSettledResult<void>[], wanted: number): void {
    const failures = asked.filter((one) => one.status === "rejected");
    if (failures.length === 0) return;
    const { reason } = failures[0] as PromiseRejectedResult;
    if (!isPassing(reason)) throw reason;
    throw new LimnetError(reason.code, `${failures.length} of the ${wanted} images that the archive lists for this series do not come, also when asked for one by one. ${reason.message}`, { cause: reason });
  }
}

/** Room for a volume: four bytes for a voxel are the most that it takes. */
const bytesOf = ({ shape }: PlannedVolume) => 4 * shape[0] * shape[1] * shape[2] + 352;

/** Path for the file of a slice. */
export function slicePath(folder: string, k: number): string {
  return join(folder, `slice-${k}.nii`);
}
