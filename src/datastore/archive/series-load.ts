/**
 * One series on its way from the archive into the cache: metadata (what goes where) and all instances in one answer, side by side, and
 * one by one what that answer did not bring. Every slice can be used as soon as it is here.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import PQueue from "p-queue";
import { SeriesAssembler } from "../../dicom/assembler.js";
import type { DigestThread } from "../../dicom/digest-thread.js";
import { type Instance, instanceFromJson, parseInstance } from "../../dicom/instance.js";
import type { DicomJson } from "../../dicom/json.js";
import { planSeries } from "../../dicom/plan.js";
import type { ArrivedSlice, FrameDecoder, PlannedVolume } from "../../dicom/types.js";
import type { ArchiveClient, SeriesPlace } from "../../dicomweb/client.js";
import { badAnswer, isPassing } from "../../dicomweb/errors.js";
import { type Attributes, tags, textOf } from "../../dicomweb/json.js";
import { LimnetError } from "../../errors.js";
import type { Volume } from "../../imaging/volume.js";
import type { Log } from "../log.js";
import { type CachedSeries, SeriesCache } from "./series-cache.js";

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

/** Instances that are asked for one by one at the same time. */
const lanes = 8;
/** Asked for where there is no decoder here (JPEG Extended, 12 bits). */
const explicitLittleEndian = "1.2.840.10008.1.2.1";

/** Digest of all that the metadata say; the order in which instances come and the addresses of bulk data do not count. */
export function contentOf(metadata: readonly Attributes[]): string {
  const lines = metadata.map((instance) => JSON.stringify(instance, (key, value) => (key === "BulkDataURI" ? undefined : value)));
  return createHash("sha256").update([...new Set(lines)].sort().join("\n")).digest("hex");
}

/** What the metadata of a series say. */
interface Known {
  readonly content: string;
  readonly plan: PlannedVolume;
  /** Every instance that the archive says there is. */
  readonly wanted: ReadonlySet<string>;
}

export class SeriesLoad {
  /** Ends when the volume is in the cache. */
  readonly done: Promise<CachedSeries>;
  readonly #parts: LoadParts;
  readonly #place: SeriesPlace;
  /** Aborted when the server stops, and where what is known of the series makes its pixels useless. */
  readonly #stop = new AbortController();
  readonly #known: Promise<Known>;
  readonly #assembler: SeriesAssembler;
  readonly #single = new PQueue({ concurrency: lanes });
  readonly #got = new Map<string, Promise<void>>();
  readonly #arrived = new Map<string, ArrivedSlice>();

  /** Begins at once: pixels do not wait for the metadata, which take an archive as long as sending the pixels. */
  constructor(parts: LoadParts, place: SeriesPlace, metadata: readonly Attributes[] | Promise<readonly Attributes[]>) {
    const signal = AbortSignal.any([parts.signal, this.#stop.signal]);
    this.#parts = { ...parts, signal };
    this.#place = place;
    this.#known = Promise.resolve(metadata).then((instances) => this.#read(instances));
    this.#known.catch(() => {});
    this.#assembler = new SeriesAssembler({ decoder: parts.decoder, suv: parts.suv, maxVoxels: parts.maxVoxels, signal, onlyFirst: true });
    this.done = this.#run();
    this.done.catch(() => {});
  }

  /** Slice k; asked for by itself where it has not come yet. Null where k is outside of the volume. @throws as `done` */
  async slice(k: number): Promise<LoadedSlice | null> {
    const { plan } = await this.#known;
    const wanted = plan.slices[k];
    if (!wanted) return null;
    const key = `${wanted.sopInstanceUid}/${wanted.frame}`;
    if (!this.#arrived.has(key)) await this.#one(wanted.sopInstanceUid);
    const arrived = this.#arrived.get(key);
    return arrived ? { k, volume: await arrived.volume(), source: plan } : null;
  }

  /** @throws LimnetError bad_volume where the metadata hold no volume */
  #read(metadata: readonly Attributes[]): Known {
    return {
      content: contentOf(metadata),
      plan: planSeries(metadata.map((instance) => instanceFromJson(instance as DicomJson)), { suv: this.#parts.suv, maxVoxels: this.#parts.maxVoxels }).volumes[0],
      wanted: new Set(metadata.map((instance) => textOf(instance, tags.SOPInstanceUID)).filter((uid) => uid !== "")),
    };
  }

  async #run(): Promise<CachedSeries> {
    const streamed = this.#stream();
    streamed.catch(() => {});
    try {
      return await this.#into(await this.#room(), streamed);
    } catch (error) {
      this.#stop.abort(error);
      throw error;
    } finally {
      await streamed.catch(() => {});
      this.#single.clear();
      this.#arrived.clear();
    }
  }

  async #room(): Promise<string> {
    const { plan: { shape } } = await this.#known;
    return this.#parts.cache.reserve(4 * shape[0] * shape[1] * shape[2] + 352);
  }

  async #into(loading: string, streamed: Promise<void>): Promise<CachedSeries> {
    const { cache, digests, log } = this.#parts;
    try {
      const { wanted, content } = await this.#known;
      await streamed;
      const missing = [...wanted].filter((uid) => !this.#got.has(uid));
      if (missing.length > 0) log.info("instances are asked for one by one", { missing: missing.length, of: wanted.size });
      const asked = await Promise.allSettled(new Set([...missing.map((uid) => this.#one(uid)), ...this.#got.values()]));
      this.#complain(asked, wanted.size);
      return await cache.commit(loading, this.#place.series, content, await this.#assembler.write(SeriesCache.volumeIn(loading), digests));
    } catch (error) {
      await cache.abandon(loading);
      throw error;
    }
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
      for await (const file of client.retrieveSeries(this.#place, signal)) {
        const instance = await parseInstance(file);
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

  async #take(uid: string, instance: Instance): Promise<void> {
    try {
      await this.#add(instance);
    } catch (error) {
      this.#got.delete(uid);
      if (!isTranscodable(error) || uid === "") throw error;
      await this.#one(uid, explicitLittleEndian);
    }
  }

  /** One instance by itself, tried twice. */
  #one(uid: string, syntax?: string): Promise<void> {
    const known = this.#got.get(uid);
    if (known) return known;
    const asked = this.#single.add(() => this.#fetch(uid, syntax)) as Promise<void>;
    this.#got.set(uid, asked);
    asked.catch(() => this.#got.delete(uid));
    return asked;
  }

  async #fetch(uid: string, syntax = "*"): Promise<void> {
    const { client, signal } = this.#parts;
    for (let attempt = 1; ; attempt++) {
      try {
        const instance = await parseInstance(await client.retrieveInstance(this.#place, uid, { syntax, signal }));
        if ((instance.sopInstanceUid || uid) !== uid) throw badAnswer("sent another instance than the one that was asked for");
        return await this.#add(instance);
      } catch (error) {
        signal.throwIfAborted();
        if (syntax === "*" && isTranscodable(error)) syntax = explicitLittleEndian;
        else if (attempt >= 2 || !isPassing(error)) throw error;
      }
    }
  }

  async #add(instance: Instance): Promise<void> {
    for (const slice of await this.#assembler.take(instance)) this.#arrived.set(`${slice.source.sopInstanceUid}/${slice.source.frame}`, slice);
  }
}

function isTranscodable(error: unknown): boolean {
  return error instanceof LimnetError && (error.code as string) === "unsupported_transfer_syntax";
}

/** Path for the file of a slice. */
export function slicePath(folder: string, k: number): string {
  return join(folder, `slice-${k}.nii`);
}
