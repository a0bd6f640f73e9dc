/** Which image series a label series of the archive (DICOM SEG) belongs to. Learnt once per label series, kept on disk. */
import { join } from "node:path";
import PQueue from "p-queue";
import type { ArchiveClient } from "../../dicomweb/client.js";
import { type Attributes, isUid, itemsOf, tags, textOf } from "../../dicomweb/json.js";
import type { SeriesRecord } from "../../dicomweb/series.js";
import type { Log } from "../log.js";
import type { SeriesList } from "./series-list.js";
import { readJson, writeJson } from "./small-files.js";

export interface LabelLink {
  /** The label series and its study. */
  readonly series: string;
  readonly study: string;
  /** Image series that it was drawn on. */
  readonly sources: readonly string[];
  readonly instances: readonly string[];
  /** Date and time of the series as one text that sorts; "" where unknown. */
  readonly when: string;
  /** Instances when it was read: another count, and it is read again. */
  readonly count: number | null;
}

interface LinkFile {
  readonly format: 1;
  readonly links: readonly LabelLink[];
}

export class LabelLinks {
  readonly #client: ArchiveClient;
  readonly #list: SeriesList;
  readonly #path: string;
  readonly #log: Log;
  readonly #stop = new AbortController();
  readonly #questions = new PQueue({ concurrency: 4 });
  readonly #links = new Map<string, LabelLink>();
  #resolving: Promise<void> | null = null;

  /** `list`: the label series of the archive. */
  constructor(client: ArchiveClient, list: SeriesList, folder: string, log: Log) {
    this.#client = client;
    this.#list = list;
    this.#path = join(folder, "label-links.json");
    this.#log = log;
  }

  async open(): Promise<void> {
    const file = await readJson<LinkFile>(this.#path).catch(() => undefined);
    if (file?.format === 1) for (const link of file.links) this.#links.set(link.series, link);
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error("The server stops."));
    this.#questions.clear();
    await this.#resolving?.catch(() => {});
  }

  /** Label series per image series, the newest last. Waits for what is not known yet. */
  async bySource(): Promise<ReadonlyMap<string, readonly LabelLink[]>> {
    const series = await this.#list.all();
    await this.#resolve(series);
    return this.#group(series);
  }

  /**
   * Label series of one image, the newest last, also one that another program stored a moment ago. Where the archive does not answer:
   * those that are known.
   */
  async onImage({ series, study }: SeriesRecord): Promise<readonly LabelLink[]> {
    await this.#list.all();
    await this.#list.look(study).catch((error: Error) => this.#log.warn("the archive does not say which labels a study has; those known are used", { error: error.message }));
    return (await this.bySource()).get(series) ?? [];
  }

  /** Asks the archive now; true where it has other labels on the image than were known. */
  async lookAgain(image: SeriesRecord): Promise<boolean> {
    const known = this.#group(await this.#list.all()).get(image.series) ?? [];
    const now = await this.onImage(image);
    return now.length !== known.length || now.some((link, at) => link !== known[at]);
  }

  /** One label series, also one that came after the list was made; null where the archive has none such. */
  async of(series: string): Promise<LabelLink | null> {
    const known = this.#links.get(series);
    if (known) return known;
    const record = await this.#list.find(series);
    if (record?.modality !== "SEG") return null;
    await this.#resolve(new Map([[series, record]]));
    return this.#links.get(series) ?? null;
  }

  /**
   * The same without waiting, and the studies in which there is a label series that nobody has looked into yet: what is labelled there
   * is not known.
   */
  async soFar(): Promise<{ bySource: ReadonlyMap<string, readonly LabelLink[]>; unclear: ReadonlySet<string> }> {
    const series = await this.#list.all();
    this.#resolve(series).catch(() => {});
    return { bySource: this.#group(series), unclear: new Set([...series.values()].filter((one) => !this.#current(one)).map(({ study }) => study)) };
  }

  /** Tells of a label series that this server stored itself. */
  async add(link: LabelLink): Promise<void> {
    this.#links.set(link.series, link);
    this.#list.expire();
    await this.#write();
  }

  #current(record: SeriesRecord): LabelLink | null {
    const link = this.#links.get(record.series);
    return link && link.count === record.instances ? link : null;
  }

  #group(series: ReadonlyMap<string, SeriesRecord>): Map<string, LabelLink[]> {
    const grouped = new Map<string, LabelLink[]>();
    const links = [...series.keys()].map((uid) => this.#links.get(uid)).filter((link): link is LabelLink => link !== undefined);
    for (const link of links.sort((a, b) => (a.when < b.when ? -1 : a.when > b.when ? 1 : 0))) {
      for (const source of link.sources) grouped.set(source, [...(grouped.get(source) ?? []), link]);
    }
    return grouped;
  }

  /** Those that are asked for already are not asked for twice. */
  async #resolve(series: ReadonlyMap<string, SeriesRecord>): Promise<void> {
    if (this.#resolving) await this.#resolving;
    const missing = [...series.values()].filter((record) => !this.#current(record));
    if (missing.length === 0) return;
    this.#resolving ??= this.#resolveAll(missing).finally(() => { this.#resolving = null; });
    await this.#resolving;
  }

  async #resolveAll(missing: readonly SeriesRecord[]): Promise<void> {
    let failed = 0;
    await Promise.all(missing.map((record) => this.#questions.add(async () => {
      try {
        const instances = await this.#client.seriesMetadata(record, this.#stop.signal);
        const link = linkOf(record, instances);
        this.#links.set(record.series, link.sources.length > 0 ? link : { ...link, sources: await this.#sourcesByInstance(record, instances) });
      } catch {
        failed++;
      }
    })));
    if (failed > 0 && !this.#stop.signal.aborted) this.#log.warn(`${failed} label series of the archive cannot be looked into now; their images count as not labelled.`);
    if (failed < missing.length) await this.#write();
  }

  /** For a segmentation that names images but not their series: the archive knows which series one of them is in. */
  async #sourcesByInstance({ study }: SeriesRecord, instances: readonly Attributes[]): Promise<string[]> {
    const [image] = instances.flatMap(sourceImages);
    if (image === undefined) return [];
    const found = await this.#client.searchInstances({ study }, { SOPInstanceUID: image }, this.#stop.signal);
    return found.map((one) => textOf(one, tags.SeriesInstanceUID)).filter(isUid).slice(0, 1);
  }

  async #write(): Promise<void> {
    const file: LinkFile = { format: 1, links: [...this.#links.values()] };
    await writeJson(this.#path, file).catch((error: Error) => this.#log.warn("What labels belong to could not be kept on disk.", { error: error.message }));
  }
}

/** Source images that the frames of a segmentation name (PS3.3 C.7.6.16.2.6, Derivation Image). */
function sourceImages(instance: Attributes): string[] {
  const groups = [...itemsOf(instance, tags.SharedFunctionalGroupsSequence), ...itemsOf(instance, tags.PerFrameFunctionalGroupsSequence)];
  return groups.flatMap((group) => itemsOf(group, tags.DerivationImageSequence)).flatMap((item) => itemsOf(item, tags.SourceImageSequence))
    .map((item) => textOf(item, tags.ReferencedSOPInstanceUID)).filter(isUid);
}

/** The series that a segmentation refers to (PS3.3 C.12.2, Common Instance Reference). */
export function linkOf(record: SeriesRecord, instances: readonly Attributes[]): LabelLink {
  const sources = new Set<string>();
  for (const instance of instances) {
    for (const item of itemsOf(instance, tags.ReferencedSeriesSequence)) sources.add(textOf(item, tags.SeriesInstanceUID));
  }
  const newest = instances.map((instance) => `${textOf(instance, "00080021") || textOf(instance, "00080023")}${textOf(instance, "00080031") || textOf(instance, "00080033")}`).sort().at(-1);
  return {
    series: record.series, study: record.study,
    sources: [...sources].filter(isUid),
    instances: instances.map((instance) => textOf(instance, tags.SOPInstanceUID)).filter(isUid),
    when: newest ?? "", count: record.instances,
  };
}
