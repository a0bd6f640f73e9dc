/**
 * The Datastore on a DICOMweb archive (protocol 5.2). An image id is a Series Instance UID. Finished labels go back as DICOM
 * segmentations through the outbox; other labels, and images that clients send themselves, stay on this disk.
 */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { FrameDecoder, PlannedVolume } from "../dicom/types.js";
import type { ArchiveClient } from "../dicomweb/client.js";
import { isUid } from "../dicomweb/json.js";
import type { SeriesRecord } from "../dicomweb/series.js";
import { LimnetError } from "../errors.js";
import { readHeader } from "../imaging/read.js";
import type { VolumeHeader } from "../imaging/volume.js";
import { ArchiveImages } from "./archive/images.js";
import type { LabelFormat } from "./archive/label-objects.js";
import { type LabelLink, LabelLinks } from "./archive/label-links.js";
import { Outbox, type OutboxEntry, type OutboxOptions } from "./archive/outbox.js";
import { type ImageRecord, Records } from "./archive/records.js";
import { SeriesCache } from "./archive/series-cache.js";
import { SeriesList } from "./archive/series-list.js";
import type { Datastore, DatastoreDocument, DatastoreStats, ImageFile, ImageGlance, Info, PartialImage } from "./datastore.js";
import { FolderDatastore, unknownLabel } from "./folder.js";
import type { Log } from "./log.js";
import { moveInto } from "./move.js";
import { checkExtension, checkTag, finalTag, labelExtensions } from "./names.js";

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
  /** Milliseconds after which the list and a volume are asked for again. */
  readonly freshMs?: number;
  readonly pageSize?: number;
  readonly outbox?: Partial<Pick<OutboxOptions, "firstMs" | "longestMs" | "verifyMs">>;
  readonly leaseMs?: number;
}

/** Modalities whose images lie in space, slice by slice. */
export const volumeModalities = ["CT", "MR", "PT", "NM", "US", "OPT"] as const;

const imageExt = ".nii";
/** Extension of labels that were read from the archive. */
const archiveLabelExt = ".seg.nrrd";

export class DicomWebDatastore implements Datastore {
  readonly outbox: Outbox;
  readonly #options: DicomWebOptions;
  readonly #list: SeriesList;
  readonly #labelList: SeriesList;
  readonly #links: LabelLinks;
  readonly #records: Records;
  readonly #cache: SeriesCache;
  readonly #images: ArchiveImages;
  readonly #local: FolderDatastore;

  constructor(options: DicomWebOptions) {
    this.#options = options;
    const { client, log, modalities, filter, freshMs = 30_000, pageSize, stateFolder } = options;
    const accept = filter ? () => true : ({ modality }: SeriesRecord) => modalities.includes(modality);
    this.#list = new SeriesList({ client, log, freshMs, pageSize, accept, filters: filter ? [filter] : modalities.map((Modality) => ({ Modality })) });
    this.#labelList = new SeriesList({ client, log, freshMs, pageSize, accept: ({ modality }) => modality === "SEG", filters: [{ Modality: "SEG" }] });
    this.#links = new LabelLinks(client, this.#labelList, stateFolder, log);
    this.#records = new Records(join(stateFolder, "images"));
    this.#cache = new SeriesCache(options.cacheFolder, { maxBytes: options.cacheBytes, log, leaseMs: options.leaseMs });
    this.#images = new ArchiveImages({ client, cache: this.#cache, decoder: options.decoder, log, suv: options.suv ?? false, freshMs });
    this.#local = new FolderDatastore(join(stateFolder, "local"), { log });
    this.outbox = new Outbox(join(stateFolder, "outbox"), { client, log, ...options.outbox, onStored: (entry) => this.#stored(entry) });
  }

  /** Starts also where the archive does not answer: it may come back, and what is cached can be used. */
  async start(): Promise<void> {
    await mkdir(this.#options.stateFolder, { recursive: true, mode: 0o700 });
    await Promise.all([this.#records.open(), this.#cache.open(), this.#links.open(), this.#local.start()]);
    await this.outbox.open();
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
    const [series] = await Promise.all([this.#list.all(), this.#records.refresh()]);
    const links = await this.#links.bySource();
    const picked: T[] = [];
    for (const id of [...series.keys()].sort()) {
      const wanted = pick(id, this.#glance(series.get(id)!, links.get(id) ?? []));
      if (wanted !== undefined) picked.push(wanted);
    }
    return [...picked, ...await this.#local.select(pick)];
  }

  /** For choosing what to work on: the first page of the list is enough, and an image that may be labelled already is left out. */
  async selectSome<T>(pick: (id: string, glance: ImageGlance) => T | undefined): Promise<T[]> {
    const [series] = await Promise.all([this.#list.some(), this.#records.refresh()]);
    const { bySource, unclear } = await this.#links.soFar();
    const picked: T[] = [];
    for (const id of [...series.keys()].sort()) {
      const record = series.get(id)!;
      if (unclear.has(record.study)) continue;
      const wanted = pick(id, this.#glance(record, bySource.get(id) ?? []));
      if (wanted !== undefined) picked.push(wanted);
    }
    if (picked.length === 0 && unclear.size > 0) return this.select(pick);
    return [...picked, ...await this.#local.select(pick)];
  }

  async peek(id: string): Promise<ImageFile | null> {
    const record = await this.#series(id);
    if (!record) return this.#local.peek(id);
    const here = await this.#images.here(id);
    return { id, path: here?.path ?? "", ext: imageExt, info: { ...this.#info(record), ...(here && said(here.source)) } };
  }

  /** Begins to bring the volume of an image here. */
  async prefetch(id: string): Promise<void> {
    const record = await this.#series(id);
    if (record) this.#images.prefetch(record);
  }

  async image(id: string): Promise<ImageFile | null> {
    const record = await this.#series(id);
    if (!record) return this.#local.image(id);
    const { path, source } = await this.#images.volume(record);
    return { id, path, ext: imageExt, info: { ...this.#info(record), ...said(source) } };
  }

  async partial(id: string, k: number, folder: string): Promise<PartialImage | null> {
    const record = await this.#series(id);
    const slice = record && await this.#images.slice(record, k, folder);
    return slice && { id, ext: imageExt, path: slice.path, digest: slice.digest, slice: { k, shape: slice.source.shape, geometry: slice.source.geometry } };
  }

  /** Where an image came from, for labels in DICOM; null for an image that is no series of the archive. */
  async source(id: string): Promise<PlannedVolume | null> {
    const record = await this.#series(id);
    return record && (await this.#images.volume(record)).source;
  }

  async label(id: string, tag: string): Promise<ImageFile | null> {
    if (!(await this.#series(id))) return this.#local.label(id, tag);
    await this.#records.refresh();
    const record = this.#records.get(id);
    const local = record.labels[tag];
    if (local) return { id, path: this.#labelPath(id, tag, local.ext), ext: local.ext, info: structuredClone(local.info) };
    if (tag !== finalTag) return null;
    const link = (await this.#links.bySource()).get(id)?.findLast(({ series }) => !record.hidden.includes(series));
    return link ? this.#fromArchive(id, link) : null;
  }

  async imageDigest(id: string): Promise<string> {
    const record = await this.#series(id);
    return record ? (await this.#images.volume(record)).digest : this.#local.imageDigest(id);
  }

  async imageHeader(id: string): Promise<VolumeHeader> {
    const record = await this.#series(id);
    return record ? readHeader((await this.#images.volume(record)).path) : this.#local.imageHeader(id);
  }

  /** An image that a client sends stays here: an archive takes DICOM only. */
  async addImage(id: string, ext: string, file: string, info: Info): Promise<void> {
    if (await this.#series(id)) throw new LimnetError("bad_identifier", "The archive has a series of this id already. Choose another id for a volume of your own.");
    await this.#local.addImage(id, ext, file, info);
  }

  async removeImage(id: string): Promise<void> {
    if (await this.#series(id)) throw new LimnetError("not_implemented", "Images of the archive are not removed by this server. Remove the series in the archive.");
    await this.#local.removeImage(id);
  }

  /** Under final the label goes to the archive too: at once where it answers, else from the outbox. It is kept here in both cases. */
  async saveLabel(id: string, tag: string, ext: string, file: string, info: Info): Promise<Info> {
    const record = await this.#series(id);
    if (!record) {
      await this.#local.saveLabel(id, tag, ext, file, info);
      return {};
    }
    checkTag(tag);
    checkExtension(ext, labelExtensions);
    const object = tag === finalTag ? await this.#options.labels.write({ path: file, info }, (await this.#images.volume(record)).source) : null;
    const before = this.#records.get(id).labels[tag];
    // Kept here and in the outbox before anything is sent: whatever happens from now on, nothing is lost.
    await mkdir(join(this.#options.stateFolder, "labels", tag), { recursive: true, mode: 0o700 });
    await moveInto(file, this.#labelPath(id, tag, ext));
    if (before && before.ext !== ext) await rm(this.#labelPath(id, tag, before.ext), { force: true });
    const entry = object && await this.outbox.add({ image: id, study: record.study, ...object });
    const told = entry ? { SeriesInstanceUID: entry.series, Modality: "SEG", PatientID: record.patient || "UNK", StudyInstanceUID: record.study } : {};
    const saved: Info = { ...info, ...told, ts: Math.floor(Date.now() / 1000), name: id + ext };
    await this.#records.change(id, (now) => ({ ...now, labels: { ...now.labels, [tag]: { ext, info: saved } } }));
    if (!entry) return {};
    const left = await this.outbox.send(entry.id);
    return { archive: left ? { state: left.state, reason: left.reason, outbox: left.id } : { state: "stored", SeriesInstanceUID: entry.series } };
  }

  /** Label series in the archive stay there, but are not shown any more. */
  async removeLabel(id: string, tag: string): Promise<void> {
    const record = await this.#series(id);
    if (!record) return this.#local.removeLabel(id, tag);
    const label = this.#records.get(id).labels[tag];
    const links = tag === finalTag ? (await this.#links.bySource()).get(id) ?? [] : [];
    if (!label && links.length === 0) throw unknownLabel(id, tag);
    if (tag === finalTag) await this.outbox.dropFor(id);
    if (label) await rm(this.#labelPath(id, tag, label.ext), { force: true });
    await this.#records.change(id, (now) => {
      const { [tag]: _gone, ...labels } = now.labels;
      return { ...now, labels, hidden: [...new Set([...now.hidden, ...links.map(({ series }) => series)])] };
    });
  }

  async updateImageInfo(id: string, info: Info): Promise<void> {
    if (!(await this.#series(id))) return this.#local.updateImageInfo(id, info);
    await this.#records.change(id, (now) => ({ ...now, info: { ...now.info, ...info } }));
  }

  async noteImageInfo(id: string, info: Info): Promise<void> {
    if (!(await this.#series(id))) return this.#local.noteImageInfo(id, info);
    this.#records.note(id, (now) => ({ ...now, info: { ...now.info, ...info } }));
  }

  async updateLabelInfo(id: string, tag: string, info: Info): Promise<void> {
    if (!(await this.#series(id))) return this.#local.updateLabelInfo(id, tag, info);
    const label = await this.label(id, tag);
    if (!label) throw unknownLabel(id, tag);
    await this.#records.change(id, (now) => ({ ...now, labels: { ...now.labels, [tag]: { ext: label.ext, info: { ...label.info, ...info } } } }));
  }

  async #series(id: string): Promise<SeriesRecord | null> {
    return isUid(id) ? this.#list.find(id) : null;
  }

  #glance(record: SeriesRecord, links: readonly LabelLink[]): ImageGlance {
    const own: ImageRecord = this.#records.get(record.series);
    const labels = new Map(Object.entries(own.labels));
    const link = links.findLast(({ series }) => !own.hidden.includes(series));
    if (link && !labels.has(finalTag)) labels.set(finalTag, { ext: archiveLabelExt, info: linkInfo(record, link) });
    return { image: { ext: imageExt, info: this.#info(record) }, labels };
  }

  /** The keys that OHIF shows and Slicer uses (protocol 5.2.3). */
  #info(record: SeriesRecord): Info {
    const { url, prefixes } = this.#options.client.settings;
    return {
      SeriesInstanceUID: record.series, StudyInstanceUID: record.study, Modality: record.modality || "UNK",
      PatientID: record.patient || "UNK", StudyDate: record.date || "UNK", StudyTime: record.time || "UNK",
      RetrieveURL: `${[url, ...(prefixes.wado ? [prefixes.wado] : [])].join("/")}/studies/${record.study}/series/${record.series}`,
      name: record.series + imageExt,
      ...this.#records.get(record.series).info,
    };
  }

  /** Brings the newest label series of an image here; a label series never changes, so that it is read once. */
  async #fromArchive(id: string, link: LabelLink): Promise<ImageFile | null> {
    const record = await this.#series(id);
    if (!record) return null;
    const folder = join(this.#options.stateFolder, "labels", ".archive");
    const path = join(folder, `${link.series}${archiveLabelExt}`);
    const info = linkInfo(record, link);
    const known = await readHeader(path).then(() => true, (error) => error instanceof LimnetError && error.code === "bad_volume");
    if (!known) {
      const { source } = await this.#images.volume(record);
      const objects: Buffer[] = [];
      for await (const object of this.#options.client.retrieveSeries(link)) objects.push(object);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const fresh = join(folder, `new-${link.series}${archiveLabelExt}`);
      await this.#options.labels.read(objects, source, fresh);
      await moveInto(fresh, path);
    }
    return { id, path, ext: archiveLabelExt, info };
  }

  async #stored({ image, study, series, instance }: OutboxEntry): Promise<void> {
    const when = new Date().toISOString().replace(/[-:TZ]/g, "");
    await this.#links.add({ series, study, sources: [image], instances: [instance], when, count: 1 });
    this.#options.log.info("a label is in the archive");
  }

  #labelPath(id: string, tag: string, ext: string): string {
    return join(this.#options.stateFolder, "labels", tag, id + ext);
  }
}

function linkInfo(record: SeriesRecord, { series, study }: LabelLink): Info {
  return { SeriesInstanceUID: series, StudyInstanceUID: study, Modality: "SEG", PatientID: record.patient || "UNK", name: record.series + archiveLabelExt };
}

/** What a person should know about the volume, in its info. */
function said({ info, shape }: PlannedVolume): Info {
  const { notes, placed, even, gaps, tiltDegrees, units } = info;
  return { dicom: { shape, notes, placed, even, gaps, tiltDegrees, units } };
}
