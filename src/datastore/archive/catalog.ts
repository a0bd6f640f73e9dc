/** The images of an archive as they are listed: series of its list, with what this server and the archive's label series say of them. */
import type { ArchiveClient } from "../../dicomweb/client.js";
import { isUid } from "../../dicomweb/json.js";
import type { SeriesRecord } from "../../dicomweb/series.js";
import type { ImageGlance, Info } from "../datastore.js";
import { glanceOf, imageInfo } from "./describe.js";
import type { LabelLink, LabelLinks } from "./label-links.js";
import type { Records } from "./records.js";
import type { SeriesList } from "./series-list.js";

type Pick<T> = (id: string, glance: ImageGlance) => T | undefined;

export class Catalog {
  readonly #client: ArchiveClient;
  readonly #list: SeriesList;
  readonly #links: LabelLinks;
  readonly #records: Records;

  constructor(client: ArchiveClient, list: SeriesList, links: LabelLinks, records: Records) {
    this.#client = client;
    this.#list = list;
    this.#links = links;
    this.#records = records;
  }

  /** Null for an id that is no series of the archive. */
  async find(id: string): Promise<SeriesRecord | null> {
    return isUid(id) ? this.#list.find(id) : null;
  }

  info(record: SeriesRecord): Info {
    return imageInfo(this.#client.settings, record, this.#records.get(record.series));
  }

  /** Every image, in the order of ids. */
  async select<T>(pick: Pick<T>): Promise<T[]> {
    const [series] = await Promise.all([this.#list.all(), this.#records.refresh()]);
    return this.#pick(series, await this.#links.bySource(), new Set(), pick);
  }

  /**
   * For choosing what to work on: the first page of the list is enough, and an image that may be labelled already is left out. Null
   * where that left nothing that can be told.
   */
  async selectSome<T>(pick: Pick<T>): Promise<T[] | null> {
    const [series] = await Promise.all([this.#list.some(), this.#records.refresh()]);
    const { bySource, unclear } = await this.#links.soFar();
    const picked = this.#pick(series, bySource, unclear, pick);
    return picked.length === 0 && unclear.size > 0 ? null : picked;
  }

  #pick<T>(series: ReadonlyMap<string, SeriesRecord>, links: ReadonlyMap<string, readonly LabelLink[]>, leftOut: ReadonlySet<string>, pick: Pick<T>): T[] {
    const picked: T[] = [];
    for (const id of [...series.keys()].sort()) {
      const record = series.get(id)!;
      if (leftOut.has(record.study)) continue;
      const wanted = pick(id, glanceOf(this.#client.settings, record, this.#records.get(id), links.get(id) ?? []));
      if (wanted !== undefined) picked.push(wanted);
    }
    return picked;
  }
}
