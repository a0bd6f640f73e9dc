/**
 * One series on its way from the archive into the cache: all instances in one answer, written as they come where that can be, and one
 * by one what that answer did not bring; the metadata say what there is. Every slice can be used as soon as it is here.
 */
import { join } from "node:path";
import { SeriesAssembler, type WrittenVolume } from "../../dicom/assembler.js";
import type { DigestThread } from "../../dicom/digest-thread.js";
import { type Instance, parseInstance } from "../../dicom/instance.js";
import type { ArrivedSlice, FrameDecoder, PlannedVolume } from "../../dicom/types.js";
import type { ArchiveClient, SeriesPlace } from "../../dicomweb/client.js";
import { isPassing } from "../../dicomweb/errors.js";
import type { Attributes } from "../../dicomweb/json.js";
import type { SeriesRecord } from "../../dicomweb/series.js";
import { LimnetError } from "../../errors.js";
import type { Volume } from "../../imaging/volume.js";
import type { Log } from "../log.js";
import { type CachedSeries, SeriesCache } from "./series-cache.js";
import { KnownSeries } from "./series-known.js";
import { explicitLittleEndian, isTranscodable, SeriesSingles } from "./series-singles.js";

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
  readonly #single: SeriesSingles;
  readonly #got = new Map<string, Promise<void>>();
  readonly #arrived = new Map<string, ArrivedSlice>();
  /** Instances that went straight into the file. */
  readonly #streamed = new Set<string>();
  #streaming = true;
  #known: Promise<KnownSeries> | null = null;
  #room: Promise<string> | null = null;

  /** Begins at once. `metadata`: where they are here already. */
  constructor(parts: LoadParts, place: SeriesPlace & Pick<SeriesRecord, "instances">, metadata: readonly Attributes[] | null) {
    const signal = AbortSignal.any([parts.signal, this.#stop.signal]);
    this.#parts = { ...parts, signal };
    this.#place = place;
    this.#assembler = new SeriesAssembler({ decoder: parts.decoder, suv: parts.suv, maxVoxels: parts.maxVoxels, signal, onlyFirst: true });
    this.#single = new SeriesSingles({ client: parts.client, place, signal, add: (instance) => this.#add(instance) });
    if (metadata) this.#prepare(metadata);
    this.done = this.#run();
    this.done.catch(() => {});
  }

  /** Slice k; asked for by itself where it has not come yet. Null where k is outside of the volume. @throws as `done` */
  async slice(k: number): Promise<LoadedSlice | null> {
    const { plan } = await this.#learn();
    const wanted = plan.slices[k];
    if (!wanted) return null;
    const key = `${wanted.sopInstanceUid}/${wanted.frame}`;
    if (!this.#arrived.has(key)) await this.#one(wanted.sopInstanceUid);
    const arrived = this.#arrived.get(key);
    return arrived ? { k, volume: await arrived.volume(), source: plan } : null;
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
    this.#learn(metadata).then(({ plan: { shape } }) => this.#reserve(4 * shape[0] * shape[1] * shape[2] + 352)).catch((error) => this.#stop.abort(error));
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
      await this.#stream();
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
      this.#single.clear();
      this.#arrived.clear();
      await this.#assembler.close();
    }
  }

  /** The volume in its file. Where all that was announced is there already, the metadata need not be waited for. */
  async #written(known: Promise<KnownSeries>): Promise<WrittenVolume> {
    const early = this.#streamed.size === this.#place.instances ? await this.#assembler.finishStream() : null;
    const { plan, wanted } = await known;
    const missing = [...wanted].filter((uid) => !this.#got.has(uid));
    if (missing.length > 0) this.#parts.log.info("instances are asked for one by one", { missing: missing.length, of: wanted.size });
    this.#complain(await Promise.allSettled(new Set([...missing.map((uid) => this.#one(uid)), ...this.#got.values()])), wanted.size);
    const written = missing.length === 0 ? early ?? await this.#assembler.finishStream() : null;
    if (written) return written;
    const { shape } = plan;
    return this.#assembler.write(SeriesCache.volumeIn(await this.#reserve(4 * shape[0] * shape[1] * shape[2] + 352)), this.#parts.digests);
  }

  /** A volume with holes that nobody knows of would be worse than none. */
  #complain(asked: readonly PromiseSettledResult<void>[], wanted: number): void {
    const failures = asked.filter((one) => one.status === "rejected");
    if (failures.length === 0) return;
    const { reason } = failures[0] as PromiseRejectedResult;
    if (!isPassing(reason)) throw reason;
    throw new LimnetError(reason.code, `${failures.length} of the ${wanted} images that the archive lists for this series do not come, also when asked for one by one. ${reason.message}`, { cause: reason });
  }

  /** The whole series in one answer. What goes wrong here is made good one by one, unless nothing came at all for a reason that stays. */
  async #stream(): Promise<void> {
    const { client, signal, log } = this.#parts;
    try {
      for await (const file of client.retrieveSeries(this.#place, { signal, lent: true })) {
        if (this.#streaming && await this.#straight(file)) continue;
        const instance = await parseInstance(Buffer.from(file));
        const uid = instance.sopInstanceUid;
        // Twice the same, or something that came in between: one is enough.
        if (uid !== "" && this.#got.has(uid)) continue;
        const taken = this.#take(uid, instance);
        // Compressed pixels are decoded while more are on their way.
        if (uid === "") await taken;
        else this.#got.set(uid, taken);
        taken.catch(() => {});
      }
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (!isPassing(error)) throw error;
      log.warn("the series did not come in one answer", { error: (error as Error).message, came: this.#got.size });
    }
  }

  /** Into the file of the volume as it comes; false where it has to be kept beside the others until all are here. */
  async #straight(file: Buffer): Promise<boolean> {
    const { digests } = this.#parts;
    const instance = await parseInstance(file, { lent: true });
    const uid = instance.sopInstanceUid;
    if (uid !== "" && this.#streamed.has(uid)) return true;
    const room = async (bytes: number) => SeriesCache.volumeIn(await this.#reserve(2 * bytes));
    const slice = uid !== "" && !this.#got.has(uid) && await this.#assembler.takeLent(instance, { count: this.#place.instances ?? 0, digests, room });
    if (slice) {
      this.#streamed.add(uid);
      if (2 * this.#streamed.size >= this.#place.instances!) void this.#learn();
      this.#got.set(uid, Promise.resolve());
      this.#arrived.set(`${uid}/1`, slice);
      return true;
    }
    this.#streaming = false;
    await this.#assembler.endStream();
    this.#prepare();
    return false;
  }

  async #take(uid: string, instance: Instance): Promise<void> {
    try {
      await this.#add(instance);
    } catch (error) {
      this.#got.delete(uid);
      if (!isTranscodable(error) || uid === "") throw error;
      await this.#one(uid, explicitLittleEndian);
    }
  }

  #one(uid: string, syntax?: string): Promise<void> {
    const known = this.#got.get(uid);
    if (known) return known;
    const asked = this.#single.ask(uid, syntax);
    this.#got.set(uid, asked);
    asked.catch(() => this.#got.delete(uid));
    return asked;
  }

  async #add(instance: Instance): Promise<void> {
    for (const slice of await this.#assembler.take(instance)) this.#arrived.set(`${slice.source.sopInstanceUid}/${slice.source.frame}`, slice);
  }
}

/** Path for the file of a slice. */
export function slicePath(folder: string, k: number): string {
  return join(folder, `slice-${k}.nii`);
}
