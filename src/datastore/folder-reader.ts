/** A local folder in MONAI Label's layout, as it is asked: a folder used with one server opens with the other. */
import { resolve } from "node:path";
import { volumeExtension } from "../dicom/files.js";
import type { PlannedVolume } from "../dicom/types.js";
import { fileDigest } from "../imaging/digest.js";
import { readHeader } from "../imaging/read.js";
import type { VolumeHeader } from "../imaging/volume.js";
import type { DatastoreDocument, DatastoreStats, ImageFile, ImageGlance } from "./datastore.js";
import { DigestCache } from "./digest-cache.js";
import { FolderFiles } from "./folder-files.js";
import { FolderIndex, type FolderIndexOptions } from "./folder-index.js";
import { documentPieces, type FileEntry, type Index, toDocument } from "./index-file.js";
import { silentLog } from "./log.js";
import { finalTag, seriesFolderExtension } from "./names.js";
import { type Overview, overviewOf } from "./overview.js";
import { said } from "./said.js";
import { type SeriesFolderOptions, SeriesFolders, type SeriesVolumeFile } from "./series-folders.js";
import { unknownImage } from "./unknown.js";

export interface FolderOptions extends Partial<Omit<FolderIndexOptions, "isSeries">> {
  /** Given: folders of DICOM files are images too. */
  readonly series?: SeriesFolderOptions;
}

/** Everything that asks and changes nothing. */
export class FolderReader {
  protected readonly index: FolderIndex;
  readonly #series: SeriesFolders | undefined;
  protected readonly files: FolderFiles;
  readonly #digests = new DigestCache(fileDigest);
  /** Made when first asked for, thrown away when an image or label comes or goes: a large folder is counted and sorted once. */
  #overview: Overview | null = null;

  /** `folder` is created by `start` where it is missing. */
  constructor(folder: string, { series, ...options }: FolderOptions = {}) {
    this.#series = series && new SeriesFolders(series);
    const isSeries = this.#series && ((path: string) => this.#series!.isSeries(path));
    this.files = new FolderFiles(resolve(folder), this.#series);
    this.index = new FolderIndex(this.files.folder, { ...options, log: options.log ?? silentLog, isSeries });
  }

  start(): Promise<void> {
    return this.index.open();
  }

  close(): Promise<void> {
    return this.index.close();
  }

  document(): Promise<DatastoreDocument> {
    return this.index.read((index) => structuredClone(toDocument(index)));
  }

  async documentText(): Promise<Buffer> {
    const index = await this.index.read((now) => now);
    const pieces: Buffer[] = [];
    for await (const piece of documentPieces(index)) pieces.push(Buffer.from(piece));
    return Buffer.concat(pieces);
  }

  stats(): Promise<DatastoreStats> {
    return this.index.read((index) => structuredClone(this.#look(index).stats));
  }

  listImages(): Promise<string[]> {
    return this.select((id) => id);
  }

  listUnlabeled(): Promise<string[]> {
    return this.select((id, { labels }) => (labels.has(finalTag) ? undefined : id));
  }

  select<T>(pick: (id: string, glance: ImageGlance) => T | undefined): Promise<T[]> {
    return this.index.read((index) => {
      const picked: T[] = [];
      for (const id of this.#look(index).ids) {
        const entry = index.objects.get(id);
        const wanted = entry && pick(id, entry);
        if (wanted !== undefined) picked.push(wanted);
      }
      return picked;
    });
  }

  /** For a folder of DICOM files: its volume where it is made already, else no path; a client cannot open the folder as a file. */
  async peek(id: string): Promise<ImageFile | null> {
    const image = await this.#entry(id);
    if (!image || image.ext !== seriesFolderExtension || !this.#series) return image;
    return asVolume(image, await this.#series.known(image.path));
  }

  /** A folder of DICOM files becomes a volume file at the first call. */
  async image(id: string): Promise<ImageFile | null> {
    const image = await this.#entry(id);
    if (!image || image.ext !== seriesFolderExtension || !this.#series) return image;
    return asVolume(image, await this.#series.volume(image.path));
  }

  /** Where the slices of a folder of DICOM files came from; null for any other image. */
  async source(id: string): Promise<PlannedVolume | null> {
    const image = await this.#entry(id);
    return image?.ext === seriesFolderExtension && this.#series ? (await this.#series.volume(image.path)).source : null;
  }

  #entry(id: string): Promise<ImageFile | null> {
    return this.index.read((index) => {
      const entry = index.objects.get(id);
      return entry ? this.#file(id, entry.image, this.files.imagePath(id, entry.image.ext)) : null;
    });
  }

  label(id: string, tag: string): Promise<ImageFile | null> {
    return this.index.read((index) => {
      const label = index.objects.get(id)?.labels.get(tag);
      return label ? this.#file(id, label, this.files.labelPath(id, tag, label.ext)) : null;
    });
  }

  async imageDigest(id: string): Promise<string> {
    return this.#digests.digest((await this.#known(id)).path);
  }

  async imageHeader(id: string): Promise<VolumeHeader> {
    return readHeader((await this.#known(id)).path);
  }

  #look(index: Index): Overview {
    const { version } = this.index;
    if (this.#overview?.version !== version || this.#overview.index !== index) this.#overview = overviewOf(index, version);
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
}

/** A folder of DICOM files as clients see it: a file of one volume, whose name says how it is read. */
function asVolume(image: ImageFile, made: SeriesVolumeFile | null): ImageFile {
  return { ...image, path: made?.path ?? "", ext: volumeExtension, info: { ...image.info, name: image.id + volumeExtension, ...(made && said(made.source)) } };
}
