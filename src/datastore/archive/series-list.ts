/** The list of series in memory: its first page is enough to begin with, later it is renewed behind the answers. */
import type { ArchiveClient } from "../../dicomweb/client.js";
import { findSeries, pagesOfSeries, seriesOfStudy, type SeriesRecord } from "../../dicomweb/series.js";
import type { Log } from "../log.js";

export interface SeriesListOptions {
  readonly client: ArchiveClient;
  /** Filters of the questions, each asked by itself: QIDO-RS has no "or". */
  readonly filters: readonly Readonly<Record<string, string>>[];
  readonly accept: (record: SeriesRecord) => boolean;
  readonly log: Log;
  readonly pageSize?: number;
  /** Milliseconds after which the list is renewed in the background. */
  readonly freshMs?: number;
  /** Most series that are kept in memory. */
  readonly most?: number;
}

/** A list of this age is not asked about again. */
const justNowMs = 1000;

type Known = ReadonlyMap<string, SeriesRecord>;

export class SeriesList {
  readonly #options: Required<SeriesListOptions>;
  readonly #stop = new AbortController();
  #known = new Map<string, SeriesRecord>();
  #loadedAt = 0;
  /** Ends with the whole list. */
  #loading: Promise<void> | null = null;
  /** Ends with the first page of the very first load. */
  #first: Promise<void> | null = null;

  constructor(options: SeriesListOptions) {
    const { pageSize = 1000, freshMs = 30_000, most = 200_000 } = options;
    this.#options = { ...options, pageSize, freshMs, most };
  }

  close(): void {
    this.#stop.abort(new Error("The server stops."));
  }

  /** The whole list; where one is known that is not too old, at once. Throws what the first load throws. */
  async all(): Promise<Known> {
    this.#renewIfOld();
    // Far too old is as good as unknown; a list that cannot be renewed is still better than none.
    if (this.#loadedAt === 0) await this.#loading;
    return this.#known;
  }

  /** What is known when the first page is there: enough to choose something to work on. */
  async some(): Promise<Known> {
    this.#renewIfOld();
    if (this.#loadedAt === 0) await this.#first;
    return this.#known;
  }

  /** One series, also one that the filters leave out: viewers ask for whatever they show. Null where the archive has none such. */
  async find(series: string): Promise<SeriesRecord | null> {
    return this.#known.get(series) ?? findSeries(this.#options.client, series, this.#stop.signal);
  }

  /** Asks for one study now: what came to it since the list was made is known afterwards. Throws what the archive's client throws. */
  async look(study: string): Promise<void> {
    const { client, filters, accept } = this.#options;
    if (Date.now() - this.#loadedAt < justNowMs) return;
    for (const filter of filters) {
      for (const record of await seriesOfStudy(client, study, filter, this.#stop.signal)) if (accept(record)) this.#known.set(record.series, record);
    }
  }

  /** The next question asks the archive again. */
  expire(): void {
    if (this.#loadedAt !== 0) this.#loadedAt = 1;
  }

  #renewIfOld(): void {
    if (this.#loading || Date.now() - this.#loadedAt < this.#options.freshMs) return;
    let firstPage: () => void = () => {};
    this.#first = new Promise((resolve) => { firstPage = resolve; });
    const loading = this.#load(firstPage).finally(() => {
      this.#loading = null;
      firstPage();
    });
    this.#loading = loading;
    loading.catch((error: Error) => {
      if (!this.#stop.signal.aborted) this.#options.log.warn("The list of series cannot be renewed.", { error: error.message, known: this.#known.size });
    });
    // Who waits for the first page must hear of a failure before it.
    this.#first = Promise.race([this.#first, loading]);
    this.#first.catch(() => {});
  }

  async #load(firstPage: () => void): Promise<void> {
    const { client, filters, accept, pageSize, most, log } = this.#options;
    const fresh = this.#loadedAt === 0 ? this.#known : new Map<string, SeriesRecord>();
    for (const filter of filters) {
      for await (const page of pagesOfSeries(client, filter, pageSize, this.#stop.signal)) {
        for (const record of page) if (accept(record)) fresh.set(record.series, record);
        if (fresh.size > 0) firstPage();
        if (fresh.size <= most) continue;
        log.warn(`The archive has more than ${most} series: the rest is not listed. Narrow the list with --modalities or MONAI_LABEL_DICOMWEB_SEARCH_FILTER.`);
        this.#known = fresh;
        this.#loadedAt = Date.now();
        return;
      }
    }
    this.#known = fresh;
    this.#loadedAt = Date.now();
  }
}
