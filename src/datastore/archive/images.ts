/** Images of the archive as volumes on this disk: loaded once, looked at again when some time has passed, used meanwhile. */
import { rm } from "node:fs/promises";
import { DigestThread } from "../../dicom/digest-thread.js";
import type { FrameDecoder } from "../../dicom/types.js";
import type { ArchiveClient } from "../../dicomweb/client.js";
import { isPassing } from "../../dicomweb/errors.js";
import type { SeriesRecord } from "../../dicomweb/series.js";
import { fileDigest } from "../../imaging/digest.js";
import { writeNifti } from "../../imaging/nifti-write.js";
import type { Log } from "../log.js";
import type { CachedSeries, SeriesCache } from "./series-cache.js";
import { contentOf } from "./series-known.js";
import { type LoadedSlice, SeriesLoad, slicePath } from "./series-load.js";

export interface ArchiveImagesOptions {
  readonly client: ArchiveClient;
  readonly cache: SeriesCache;
  readonly decoder: FrameDecoder;
  readonly log: Log;
  readonly suv: boolean;
  /** Most voxels of a volume. */
  readonly maxVoxels?: number;
  /** Milliseconds for which a volume counts as what the archive has, without asking. */
  readonly freshMs?: number;
}

/** Most series whose last look is remembered. */
const mostChecked = 10_000;

/** A slice in a file of its own, while the rest of its series is on its way. */
export interface SliceFile extends Omit<LoadedSlice, "volume"> {
  readonly path: string;
  readonly digest: string;
}

export class ArchiveImages {
  readonly #options: ArchiveImagesOptions & { readonly freshMs: number };
  readonly #stop = new AbortController();
  readonly #digests = new DigestThread();
  readonly #loads = new Map<string, Promise<SeriesLoad | CachedSeries>>();
  readonly #checked = new Map<string, { readonly content: string; readonly at: number }>();

  constructor(options: ArchiveImagesOptions) {
    this.#options = { ...options, freshMs: options.freshMs ?? 60_000 };
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error("The server stops."));
    for (const load of this.#loads.values()) await load.then((one) => (one instanceof SeriesLoad ? one.done : one)).catch(() => {});
    await this.#digests.close();
  }

  /** The whole volume. @throws LimnetError archive_*, bad_volume, cache_full */
  async volume(record: SeriesRecord): Promise<CachedSeries> {
    const found = await this.#find(record);
    return found instanceof SeriesLoad ? found.done : found;
  }

  /** Begins to load without waiting. */
  prefetch(record: SeriesRecord): void {
    this.volume(record).catch((error: Error) => {
      if (!this.#stop.signal.aborted) this.#options.log.warn("a series could not be loaded ahead", { error: error.message });
    });
  }

  /** Slice k alone, written into `folder`, while the whole is not here yet; null where it is, or where there is no such slice. */
  async slice(record: SeriesRecord, k: number, folder: string): Promise<SliceFile | null> {
    const found = await this.#find(record);
    if (!(found instanceof SeriesLoad)) return null;
    const first = await Promise.race([found.slice(k), found.done.then(() => null)]);
    if (!first) return null;
    const path = slicePath(folder, k);
    await rm(path, { force: true });
    await writeNifti(first.volume, path, { gzip: false });
    return { k, source: first.source, path, digest: await fileDigest(path) };
  }

  /** What is here already; null where the volume would have to be loaded. */
  async here(series: string): Promise<CachedSeries | null> {
    return this.#options.cache.newest(series);
  }

  async #find(record: SeriesRecord): Promise<SeriesLoad | CachedSeries> {
    const { series } = record;
    const checked = this.#checked.get(series);
    if (checked && Date.now() - checked.at < this.#options.freshMs) {
      const here = await this.#options.cache.find(series, checked.content);
      if (here) return here;
    }
    const running = this.#loads.get(series);
    if (running) return running;
    const asked = this.#ask(record);
    this.#loads.set(series, asked);
    const forget = () => { this.#loads.delete(series); };
    asked.then((one) => (one instanceof SeriesLoad ? one.done.then(forget, forget) : forget()), forget);
    return asked;
  }

  /** Metadata tell whether what is here is still what the archive has; where nothing is here, the pixels come first. */
  async #ask(record: SeriesRecord): Promise<SeriesLoad | CachedSeries> {
    const { client, cache, log } = this.#options;
    const newest = await cache.newest(record.series);
    if (!newest) return this.#load(record, null);
    let metadata;
    try {
      metadata = await client.seriesMetadata(record, this.#stop.signal);
    } catch (error) {
      if (!isPassing(error) || /404/.test((error as Error).message)) throw error;
      log.warn("the archive cannot be asked whether a series changed; the volume in the cache is used", { error: (error as Error).message });
      return newest;
    }
    const here = await cache.find(record.series, contentOf(metadata));
    return here ? this.#note(record.series, here) : this.#load(record, metadata);
  }

  #load(record: SeriesRecord, metadata: ConstructorParameters<typeof SeriesLoad>[2]): SeriesLoad {
    const { client, cache, decoder, log, suv, maxVoxels } = this.#options;
    this.#digests.warm();
    const load = new SeriesLoad({ client, cache, decoder, digests: this.#digests, log, suv, maxVoxels, signal: this.#stop.signal }, record, metadata);
    load.done.then((done) => this.#note(record.series, done), () => {});
    return load;
  }

  #note(series: string, found: CachedSeries): CachedSeries {
    this.#checked.delete(series);
    this.#checked.set(series, { content: found.content, at: Date.now() });
    if (this.#checked.size > mostChecked) this.#checked.delete(this.#checked.keys().next().value!);
    return found;
  }
}
