/**
 * The Datastore on a DICOMweb archive (protocol 5.2). An image id is a Series Instance UID. Finished labels go back as DICOM
 * segmentations through the outbox; other labels, and images that clients send themselves, stay on this disk. Each question goes to
 * the part that knows (archive/parts.ts), or to the local store where the id is none of the archive.
 */
import type { PlannedVolume } from "../dicom/types.js";
import { LimnetError } from "../errors.js";
import { readHeader } from "../imaging/read.js";
import type { VolumeHeader } from "../imaging/volume.js";
import { imageExt } from "./archive/describe.js";
import type { Outbox } from "./archive/outbox.js";
import { type ArchiveParts, closeParts, type DicomWebOptions, makeParts, openParts } from "./archive/parts.js";
import type { Datastore, DatastoreDocument, DatastoreStats, ImageFile, ImageGlance, Info, PartialImage } from "./datastore.js";
import { finalTag } from "./names.js";
import { said } from "./said.js";

export { type DicomWebOptions, volumeModalities } from "./archive/parts.js";

export class DicomWebDatastore implements Datastore {
  readonly #parts: ArchiveParts;

  constructor(options: DicomWebOptions) {
    this.#parts = makeParts(options);
  }

  get outbox(): Outbox {
    return this.#parts.outbox;
  }

  start(): Promise<void> {
    return openParts(this.#parts);
  }

  close(): Promise<void> {
    return closeParts(this.#parts);
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
    return [...await this.#parts.catalog.select(pick), ...await this.#parts.local.select(pick)];
  }

  async selectSome<T>(pick: (id: string, glance: ImageGlance) => T | undefined): Promise<T[]> {
    const some = await this.#parts.catalog.selectSome(pick);
    return some ? [...some, ...await this.#parts.local.select(pick)] : this.select(pick);
  }

  /** A label series that another program stored a moment ago. Where the archive does not answer, what is known stays. */
  async lookAgain(id: string): Promise<boolean> {
    const record = await this.#parts.catalog.find(id);
    return record !== null && this.#parts.links.lookAgain(record);
  }

  async peek(id: string): Promise<ImageFile | null> {
    const record = await this.#parts.catalog.find(id);
    if (!record) return this.#parts.local.peek(id);
    const here = await this.#parts.images.here(id);
    return { id, path: here?.path ?? "", ext: imageExt, info: { ...this.#parts.catalog.info(record), ...(here && said(here.source)) } };
  }

  /** Begins to bring the volume of an image here. */
  async prefetch(id: string): Promise<void> {
    const record = await this.#parts.catalog.find(id);
    if (record) this.#parts.images.prefetch(record);
  }

  async image(id: string): Promise<ImageFile | null> {
    const record = await this.#parts.catalog.find(id);
    if (!record) return this.#parts.local.image(id);
    const { path, source } = await this.#parts.images.volume(record);
    return { id, path, ext: imageExt, info: { ...this.#parts.catalog.info(record), ...said(source) } };
  }

  async partial(id: string, k: number, folder: string): Promise<PartialImage | null> {
    const record = await this.#parts.catalog.find(id);
    const slice = record && await this.#parts.images.slice(record, k, folder);
    return slice && { id, ext: imageExt, path: slice.path, digest: slice.digest, slice: { k, shape: slice.source.shape, geometry: slice.source.geometry } };
  }

  /** Where an image came from, for labels in DICOM; null for an image that is no series of the archive. */
  async source(id: string): Promise<PlannedVolume | null> {
    const record = await this.#parts.catalog.find(id);
    return record && (await this.#parts.images.volume(record)).source;
  }

  async label(id: string, tag: string): Promise<ImageFile | null> {
    const record = await this.#parts.catalog.find(id);
    return record ? this.#parts.labels.find(record, tag) : this.#parts.local.label(id, tag);
  }

  async imageDigest(id: string): Promise<string> {
    const record = await this.#parts.catalog.find(id);
    return record ? (await this.#parts.images.volume(record)).digest : this.#parts.local.imageDigest(id);
  }

  async imageHeader(id: string): Promise<VolumeHeader> {
    const record = await this.#parts.catalog.find(id);
    return record ? readHeader((await this.#parts.images.volume(record)).path) : this.#parts.local.imageHeader(id);
  }

  /** An image that a client sends stays here: an archive takes DICOM only. */
  async addImage(id: string, ext: string, file: string, info: Info): Promise<void> {
    if (await this.#parts.catalog.find(id)) throw new LimnetError("bad_identifier", "The archive has a series of this id already. Choose another id for a volume of your own.");
    await this.#parts.local.addImage(id, ext, file, info);
  }

  async removeImage(id: string): Promise<void> {
    if (await this.#parts.catalog.find(id)) throw new LimnetError("not_implemented", "Images of the archive are not removed by this server. Remove the series in the archive.");
    await this.#parts.local.removeImage(id);
  }

  async saveLabel(id: string, tag: string, ext: string, file: string, info: Info): Promise<Info> {
    const record = await this.#parts.catalog.find(id);
    if (record) return this.#parts.labels.save(record, tag, ext, file, info);
    await this.#parts.local.saveLabel(id, tag, ext, file, info);
    return {};
  }

  async saveProvenance(id: string, tag: string, document: unknown): Promise<void> {
    const record = await this.#parts.catalog.find(id);
    return record ? this.#parts.labels.keepProvenance(record, tag, document) : this.#parts.local.saveProvenance(id, tag, document);
  }

  async removeLabel(id: string, tag: string): Promise<void> {
    const record = await this.#parts.catalog.find(id);
    return record ? this.#parts.labels.remove(record, tag) : this.#parts.local.removeLabel(id, tag);
  }

  async updateImageInfo(id: string, info: Info): Promise<void> {
    if (!(await this.#parts.catalog.find(id))) return this.#parts.local.updateImageInfo(id, info);
    await this.#parts.records.change(id, (now) => ({ ...now, info: { ...now.info, ...info } }));
  }

  async noteImageInfo(id: string, info: Info): Promise<void> {
    if (!(await this.#parts.catalog.find(id))) return this.#parts.local.noteImageInfo(id, info);
    this.#parts.records.note(id, (now) => ({ ...now, info: { ...now.info, ...info } }));
  }

  async updateLabelInfo(id: string, tag: string, info: Info): Promise<void> {
    const record = await this.#parts.catalog.find(id);
    return record ? this.#parts.labels.amend(record, tag, info) : this.#parts.local.updateLabelInfo(id, tag, info);
  }
}
