/**
 * The Datastore on a DICOMweb archive (protocol 5.2). An image id is a Series Instance UID. Finished labels go back as DICOM
 * segmentations through the outbox; other labels, and images that clients send themselves, stay on this disk.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { FrameDecoder, PlannedVolume } from "../dicom/types.js";
import type { ArchiveClient } from "../dicomweb/client.js";
import type { SeriesRecord } from "../dicomweb/series.js";
import { LimnetError } from "../errors.js";
import { readHeader } from "../imaging/read.js";
import type { VolumeHeader } from "../imaging/volume.js";
import { Catalog } from "./archive/catalog.js";
import { imageExt, said } from "./archive/describe.js";
import { ArchiveImages } from "./archive/images.js";
import { ArchiveLabels } from "./archive/labels.js";
import type { LabelFormat } from "./archive/label-objects.js";
import { LabelLinks } from "./archive/label-links.js";
import { Outbox, type OutboxOptions } from "./archive/outbox.js";
import { Records } from "./archive/records.js";
import { SeriesCache } from "./archive/series-cache.js";
import { SeriesList } from "./archive/series-list.js";
import type { Datastore, DatastoreDocument, DatastoreStats, ImageFile, ImageGlance, Info, PartialImage } from "./datastore.js";
import { FolderDatastore } from "./folder.js";
import type { Log } from "./log.js";
import { finalTag } from "./names.js";

export interface DicomWebOptions {
  readonly client: ArchiveClient;
  readonly decoder: FrameDecoder;
  readonly labels: LabelFormat;
  readonly log: Log;
  /** Volumes that can be loaded again. */
  readonly cacheFolder: string;
  readonly cacheBytes: number;
  /** Labels, infos and the outbox of this archive: what cannot be had again. */
  readonly stateFolder: string;
  /** Modalities that are listed. */
  readonly modalities: readonly string[];
  /** QIDO-RS filter of the list in place of the modalities. */
  readonly filter?: Readonly<Record<string, string>>;
  readonly suv?: boolean;
  /** Most voxels of a volume. */
  readonly maxVoxels?: number;
  /** Milliseconds after which the list and a volume are asked for again. */
  readonly freshMs?: number;
  readonly pageSize?: number;
  readonly outbox?: Partial<Pick<OutboxOptions, "firstMs" | "longestMs" | "verifyMs">>;
  readonly leaseMs?: number;
  /** Leaves what waits in the outbox to the server that put it there. */
  readonly readOnly?: boolean;
}

/** Modalities whose images lie in space, slice by slice. */
export const volumeModalities = ["CT", "MR", "PT", "NM", "US", "OPT"] as const;

export class DicomWebDatastore implements Datastore {
  readonly outbox: Outbox;
  readonly #options: DicomWebOptions;
  readonly #list: SeriesList;
  readonly #labelList: SeriesList;
  readonly #links: LabelLinks;
  readonly #catalog: Catalog;
  readonly #records: Records;
  readonly #cache: SeriesCache;
  readonly #images: ArchiveImages;
  readonly #labels: ArchiveLabels;
  readonly #local: FolderDatastore;

  constructor(options: DicomWebOptions) {
    this.#options = options;
    const { client, log, modalities, filter, freshMs = 30_000, pageSize, stateFolder } = options;
    const accept = filter ? () => true : ({ modality }: SeriesRecord) => modalities.includes(modality);
    this.#list = new SeriesList({ client, log, freshMs, pageSize, accept, filters: filter ? [filter] : modalities.map((Modality) => ({ Modality })) });
    this.#labelList = new SeriesList({ client, log, freshMs, pageSize, accept: ({ modality }) => modality === "SEG", filters: [{ Modality: "SEG" }] });
    this.#links = new LabelLinks(client, this.#labelList, stateFolder, log);
    this.#records = new Records(join(stateFolder, "images"));
    this.#catalog = new Catalog(client, this.#list, this.#links, this.#records);
    this.#cache = new SeriesCache(options.cacheFolder, { maxBytes: options.cacheBytes, log, leaseMs: options.leaseMs });
    this.#images = new ArchiveImages({ client, cache: this.#cache, decoder: options.decoder, log, suv: options.suv ?? false, maxVoxels: options.maxVoxels, freshMs });
    this.#local = new FolderDatastore(join(stateFolder, "local"), { log });
    this.outbox = new Outbox(join(stateFolder, "outbox"), { client, log, ...options.outbox, onStored: (entry) => this.#labels.stored(entry) });
    this.#labels = new ArchiveLabels({ client, log, format: options.labels, images: this.#images, links: this.#links, records: this.#records, outbox: this.outbox, folder: stateFolder });
  }

  /** Starts also where the archive does not answer: it may come back, and what is cached can be used. */
  async start(): Promise<void> {
    await mkdir(this.#options.stateFolder, { recursive: true, mode: 0o700 });
    await Promise.all([this.#records.open(), this.#cache.open(), this.#links.open(), this.#local.start()]);
    if (!this.#options.readOnly) await this.outbox.open();
    await this.#list.some().catch((error: Error) => this.#options.log.warn("The archive does not answer yet.", { error: error.message }));
  }

  async close(): Promise<void> {
    this.#list.close();
    this.#labelList.close();
    await Promise.all([this.outbox.close(), this.#links.close(), this.#images.close()]);
    await this.#records.close();
    await this.#local.close();
    await this.#options.decoder.close();
    this.#options.client.http.close();
  }

  async document(): Promise<DatastoreDocument> {
    const objects: DatastoreDocument["objects"] = {};
    const pairs = await this.select((id, { image, labels }) => [id, { image: { ext: image.ext, info: image.info }, labels: Object.fromEntries(labels) }] as const);
    for (const [id, entry] of pairs) objects[id] = structuredClone(entry);
    return { name: "new-dataset", description: "New Dataset", images_dir: ".", labels_dir: "labels", objects };
  }

  async documentText(): Promise<Buffer> {
    return Buffer.from(JSON.stringify(await this.document(), null, 2));
  }

  /** `completed` counts what the archive and this server have under final, each image once. */
  async stats(): Promise<DatastoreStats> {
    const tags = new Map<string, number>();
    let total = 0;
    await this.select((_id, { labels }) => {
      total++;
      for (const tag of labels.keys()) tags.set(tag, (tags.get(tag) ?? 0) + 1);
      return undefined;
    });
    return { total, completed: tags.get(finalTag) ?? 0, label_tags: Object.fromEntries(tags) };
  }

  listImages(): Promise<string[]> {
    return this.select((id) => id);
  }

  listUnlabeled(): Promise<string[]> {
    return this.select((id, { labels }) => (labels.has(finalTag) ? undefined : id));
  }

  async select<T>(pick: (id: string, glance: ImageGlance) => T | undefined): Promise<T[]> {
    return [...await this.#catalog.select(pick), ...await this.#local.select(pick)];
  }

  async selectSome<T>(pick: (id: string, glance: ImageGlance) => T | undefined): Promise<T[]> {
    const some = await this.#catalog.selectSome(pick);
    return some ? [...some, ...await this.#local.select(pick)] : this.select(pick);
  }

  async peek(id: string): Promise<ImageFile | null> {
    const record = await this.#catalog.find(id);
    if (!record) return this.#local.peek(id);
    const here = await this.#images.here(id);
    return { id, path: here?.path ?? "", ext: imageExt, info: { ...this.#catalog.info(record), ...(here && said(here.source)) } };
  }

  /** Begins to bring the volume of an image here. */
  async prefetch(id: string): Promise<void> {
    const record = await this.#catalog.find(id);
    if (record) this.#images.prefetch(record);
  }

  async image(id: string): Promise<ImageFile | null> {
    const record = await this.#catalog.find(id);
    if (!record) return this.#local.image(id);
    const { path, source } = await this.#images.volume(record);
    return { id, path, ext: imageExt, info: { ...this.#catalog.info(record), ...said(source) } };
  }

  async partial(id: string, k: number, folder: string): Promise<PartialImage | null> {
    const record = await this.#catalog.find(id);
    const slice = record && await this.#images.slice(record, k, folder);
    return slice && { id, ext: imageExt, path: slice.path, digest: slice.digest, slice: { k, shape: slice.source.shape, geometry: slice.source.geometry } };
  }

  /** Where an image came from, for labels in DICOM; null for an image that is no series of the archive. */
  async source(id: string): Promise<PlannedVolume | null> {
    const record = await this.#catalog.find(id);
    return record && (await this.#images.volume(record)).source;
  }

  async label(id: string, tag: string): Promise<ImageFile | null> {
    const record = await this.#catalog.find(id);
    return record ? this.#labels.find(record, tag) : this.#local.label(id, tag);
  }

  async imageDigest(id: string): Promise<string> {
    const record = await this.#catalog.find(id);
    return record ? (await this.#images.volume(record)).digest : this.#local.imageDigest(id);
  }

  async imageHeader(id: string): Promise<VolumeHeader> {
    const record = await this.#catalog.find(id);
    return record ? readHeader((await this.#images.volume(record)).path) : this.#local.imageHeader(id);
  }

  /** An image that a client sends stays here: an archive takes DICOM only. */
  async addImage(id: string, ext: string, file: string, info: Info): Promise<void> {
    if (await this.#catalog.find(id)) throw new LimnetError("bad_identifier", "The archive has a series of this id already. Choose another id for a volume of your own.");
    await this.#local.addImage(id, ext, file, info);
  }

  async removeImage(id: string): Promise<void> {
    if (await this.#catalog.find(id)) throw new LimnetError("not_implemented", "Images of the archive are not removed by this server. Remove the series in the archive.");
    await this.#local.removeImage(id);
  }

  async saveLabel(id: string, tag: string, ext: string, file: string, info: Info): Promise<Info> {
    const record = await this.#catalog.find(id);
    if (record) return this.#labels.save(record, tag, ext, file, info);
    await this.#local.saveLabel(id, tag, ext, file, info);
    return {};
  }

  async saveProvenance(id: string, tag: string, document: unknown): Promise<void> {
    const record = await this.#catalog.find(id);
    return record ? this.#labels.keepProvenance(record, tag, document) : this.#local.saveProvenance(id, tag, document);
  }

  async removeLabel(id: string, tag: string): Promise<void> {
    const record = await this.#catalog.find(id);
    return record ? this.#labels.remove(record, tag) : this.#local.removeLabel(id, tag);
  }

  async updateImageInfo(id: string, info: Info): Promise<void> {
    if (!(await this.#catalog.find(id))) return this.#local.updateImageInfo(id, info);
    await this.#records.change(id, (now) => ({ ...now, info: { ...now.info, ...info } }));
  }

  async noteImageInfo(id: string, info: Info): Promise<void> {
    if (!(await this.#catalog.find(id))) return this.#local.noteImageInfo(id, info);
    this.#records.note(id, (now) => ({ ...now, info: { ...now.info, ...info } }));
  }

  async updateLabelInfo(id: string, tag: string, info: Info): Promise<void> {
    const record = await this.#catalog.find(id);
    return record ? this.#labels.amend(record, tag, info) : this.#local.updateLabelInfo(id, tag, info);
  }
}
