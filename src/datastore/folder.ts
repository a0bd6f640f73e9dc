/** The Datastore on a local folder, in MONAI Label's layout: a folder used with one server opens with the other. */
import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { PlannedVolume } from "../dicom/types.js";
import { makeFolder, moveInto } from "../durable.js";
import { LimnetError } from "../errors.js";
import { fileDigest } from "../imaging/digest.js";
import { readHeader } from "../imaging/read.js";
import type { VolumeHeader } from "../imaging/volume.js";
import type { Datastore, DatastoreDocument, DatastoreStats, ImageFile, ImageGlance, Info } from "./datastore.js";
import { DigestCache } from "./digest-cache.js";
import { FolderIndex, type FolderIndexOptions } from "./folder-index.js";
import { documentPieces, dropLabel, type FileEntry, freshEntry, freshImage, type ImageEntry, type Index, setLabel, toDocument } from "./index-file.js";
import { silentLog } from "./log.js";
import { checkExtension, checkId, checkTag, finalTag, imageExtensions, isOneOf, labelExtensions, seriesFolderExtension } from "./names.js";
import { provenancePath, writeProvenance } from "./provenance.js";
import { type SeriesFolderOptions, SeriesFolders } from "./series-folders.js";

export interface FolderOptions extends Partial<Omit<FolderIndexOptions, "isSeries">> {
  /** Given: folders of DICOM files are images too. */
  readonly series?: SeriesFolderOptions;
}

export class FolderDatastore implements Datastore {
  readonly #index: FolderIndex;
  readonly #series: SeriesFolders | undefined;
  readonly #digests = new DigestCache(fileDigest);
  /** Made when first asked for, thrown away when an image or label comes or goes: a large folder is counted and sorted once. */
  #overview: Overview | null = null;

  /** `folder` is created by `start` where it is missing. */
  constructor(folder: string, { series, ...options }: FolderOptions = {}) {
    this.#series = series && new SeriesFolders(series);
    const isSeries = this.#series && ((path: string) => this.#series!.isSeries(path));
    this.#index = new FolderIndex(resolve(folder), { ...options, log: options.log ?? silentLog, isSeries });
  }

  start(): Promise<void> {
    return this.#index.open();
  }

  close(): Promise<void> {
    return this.#index.close();
  }

  document(): Promise<DatastoreDocument> {
    return this.#index.read((index) => structuredClone(toDocument(index)));
  }

  async documentText(): Promise<Buffer> {
    const index = await this.#index.read((now) => now);
    const pieces: Buffer[] = [];
    for await (const piece of documentPieces(index)) pieces.push(Buffer.from(piece));
    return Buffer.concat(pieces);
  }

  stats(): Promise<DatastoreStats> {
    return this.#index.read((index) => structuredClone(this.#look(index).stats));
  }

  listImages(): Promise<string[]> {
    return this.select((id) => id);
  }

  listUnlabeled(): Promise<string[]> {
    return this.select((id, { labels }) => (labels.has(finalTag) ? undefined : id));
  }

  select<T>(pick: (id: string, glance: ImageGlance) => T | undefined): Promise<T[]> {
    return this.#index.read((index) => {
      const picked: T[] = [];
      for (const id of this.#look(index).ids) {
        const entry = index.objects.get(id);
        const wanted = entry && pick(id, entry);
        if (wanted !== undefined) picked.push(wanted);
      }
      return picked;
    });
  }

  peek(id: string): Promise<ImageFile | null> {
    return this.#entry(id);
  }

  /** A folder of DICOM files becomes a volume file at the first call. */
  async image(id: string): Promise<ImageFile | null> {
    const image = await this.#entry(id);
    if (!image || image.ext !== seriesFolderExtension || !this.#series) return image;
    const { path, ext } = await this.#series.volume(image.path);
    return { ...image, path, ext };
  }

  /** Where the slices of a folder of DICOM files came from; null for any other image. */
  async source(id: string): Promise<PlannedVolume | null> {
    const image = await this.#entry(id);
    return image?.ext === seriesFolderExtension && this.#series ? (await this.#series.volume(image.path)).source : null;
  }

  #entry(id: string): Promise<ImageFile | null> {
    return this.#index.read((index) => {
      const entry = index.objects.get(id);
      return entry ? this.#file(id, entry.image, this.#imagePath(id, entry.image.ext)) : null;
    });
  }

  label(id: string, tag: string): Promise<ImageFile | null> {
    return this.#index.read((index) => {
      const label = index.objects.get(id)?.labels.get(tag);
      return label ? this.#file(id, label, this.#labelPath(id, tag, label.ext)) : null;
    });
  }

  async imageDigest(id: string): Promise<string> {
    return this.#digests.digest((await this.#known(id)).path);
  }

  async imageHeader(id: string): Promise<VolumeHeader> {
    return readHeader((await this.#known(id)).path);
  }

  /** Replaces an image of the same id; its labels stay (MONAI Label drops what it knows about them). */
  async addImage(id: string, ext: string, file: string, info: Info): Promise<void> {
    checkId(id);
    checkExtension(ext, imageExtensions);
    await this.#index.change(async (index) => {
      const before = index.objects.get(id);
      const extBefore = before?.image.ext;
      await moveInto(file, this.#imagePath(id, ext));
      const entry = before ?? freshImage(id, ext);
      entry.image = { ...freshEntry(id, ext), rest: entry.image.rest };
      entry.image.info = { ...info, ...entry.image.info };
      index.objects.set(id, entry);
      await this.#removeOthers(imageExtensions, extBefore, ext, (other) => this.#imagePath(id, other));
    });
  }

  removeImage(id: string): Promise<void> {
    return this.#index.change(async (index) => {
      const entry = entryOf(index, id);
      for (const [tag, label] of entry.labels) {
        await rm(this.#labelPath(id, tag, label.ext), { force: true });
        await rm(provenancePath(join(this.#index.folder, "labels", tag), id), { force: true });
      }
      await this.#removeOthers(imageExtensions, entry.image.ext, null, (ext) => this.#imagePath(id, ext));
      index.objects.delete(id);
    });
  }

  /** A label saved before under another extension is removed: two files for one label would be one too many. */
  async saveLabel(id: string, tag: string, ext: string, file: string, info: Info): Promise<void> {
    checkTag(tag);
    checkExtension(ext, labelExtensions);
    await this.#index.change(async (index) => {
      const entry = entryOf(index, id);
      await makeFolder(join(this.#index.folder, "labels", tag));
      await moveInto(file, this.#labelPath(id, tag, ext));
      const label = freshEntry(id, ext);
      label.info = { ...info, ...label.info };
      const before = entry.labels.get(tag);
      setLabel(entry, tag, label);
      await this.#removeOthers(labelExtensions, before?.ext, ext, (other) => this.#labelPath(id, tag, other));
    });
  }

  async saveProvenance(id: string, tag: string, document: unknown): Promise<void> {
    checkId(id);
    checkTag(tag);
    const folder = join(this.#index.folder, "labels", tag);
    if (document === null) await rm(provenancePath(folder, id), { force: true });
    else await writeProvenance(folder, id, document);
  }

  removeLabel(id: string, tag: string): Promise<void> {
    return this.#index.change(async (index) => {
      const label = index.objects.get(id)?.labels.get(tag);
      if (!label) throw unknownLabel(id, tag);
      await this.#removeOthers(labelExtensions, label.ext, null, (ext) => this.#labelPath(id, tag, ext));
      await rm(provenancePath(join(this.#index.folder, "labels", tag), id), { force: true });
      dropLabel(index.objects.get(id)!, tag);
    });
  }

  updateImageInfo(id: string, info: Info): Promise<void> {
    return this.#index.amend((index) => merge(entryOf(index, id).image, info));
  }

  noteImageInfo(id: string, info: Info): Promise<void> {
    return this.#index.note((index) => merge(entryOf(index, id).image, info));
  }

  updateLabelInfo(id: string, tag: string, info: Info): Promise<void> {
    return this.#index.amend((index) => {
      const label = entryOf(index, id).labels.get(tag);
      if (!label) throw unknownLabel(id, tag);
      merge(label, info);
    });
  }

  #look(index: Index): Overview {
    const { version } = this.#index;
    if (this.#overview?.version === version && this.#overview.index === index) return this.#overview;
    this.#overview = { version, index, ids: readableIds(index), stats: count(index) };
    return this.#overview;
  }

  #file(id: string, entry: FileEntry, path: string): ImageFile {
    return { id, path, ext: entry.ext, info: structuredClone(entry.info) };
  }

  async #known(id: string): Promise<ImageFile> {
    const image = await this.image(id);
    if (!image) throw unknownImage(id);
    return image;
  }

  #imagePath(id: string, ext: string): string {
    return join(this.#index.folder, id + ext);
  }

  #labelPath(id: string, tag: string, ext: string): string {
    return join(this.#index.folder, "labels", tag, id + ext);
  }

  async #removeOthers(known: readonly string[], before: string | undefined, keep: string | null, path: (ext: string) => string): Promise<void> {
    for (const ext of new Set([...known, ...(before === undefined ? [] : [before])])) {
      if (ext === keep) continue;
      // A folder goes only with its image, not where a file takes its place.
      if (ext !== seriesFolderExtension) await rm(path(ext), { force: true });
      else if (keep === null && this.#series && (await this.#series.isSeries(path(ext)))) await rm(path(ext), { recursive: true, force: true });
    }
  }
}

interface Overview {
  readonly index: Index;
  readonly version: number;
  readonly ids: readonly string[];
  readonly stats: DatastoreStats;
}

/** Only what this server can read: an older index may also name photographs or slides. */
function readableIds(index: Index): string[] {
  const ids: string[] = [];
  for (const [id, { image }] of index.objects) if (isOneOf(image.ext, imageExtensions) || image.ext === seriesFolderExtension) ids.push(id);
  return ids.sort();
}

function count(index: Index): DatastoreStats {
  const tags = new Map<string, number>();
  for (const entry of index.objects.values()) {
    for (const tag of entry.labels.keys()) tags.set(tag, (tags.get(tag) ?? 0) + 1);
  }
  return { total: index.objects.size, completed: tags.get(finalTag) ?? 0, label_tags: Object.fromEntries(tags) };
}

function merge(entry: FileEntry, info: Info): void {
  entry.info = { ...entry.info, ...info };
}

/** The error for an id that no image has. */
export function unknownImage(id: string): LimnetError {
  return new LimnetError("unknown_image", `Image ${JSON.stringify(id.slice(0, 80))} NOT Found. GET /datastore/?output=all lists the images that are there.`);
}

/** The error for a label that is not there. */
export function unknownLabel(id: string, tag: string): LimnetError {
  return new LimnetError("unknown_label", `Label ${JSON.stringify(id.slice(0, 80))} NOT Found under tag ${JSON.stringify(tag.slice(0, 80))}.`);
}

function entryOf(index: Index, id: string): ImageEntry {
  const entry = index.objects.get(id);
  if (!entry) throw unknownImage(id);
  return entry;
}
