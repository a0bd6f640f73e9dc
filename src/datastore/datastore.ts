import type { PlannedVolume } from "../dicom/types.js";
import type { Geometry, Shape } from "../imaging/geometry.js";
import type { VolumeHeader } from "../imaging/volume.js";

export type Info = Record<string, unknown>;

/** The index document of MONAI Label (`GET /datastore/?output=all`, and `datastore_v2.json`). */
export interface DatastoreDocument {
  name: string;
  description: string;
  images_dir: string;
  labels_dir: string;
  objects: Record<string, {
    image: { ext: string; info: Info };
    labels: Record<string, { ext: string; info: Info }>;
  }>;
}

export interface DatastoreStats {
  total: number;
  completed: number;
  label_tags: Record<string, number>;
}

export interface ImageFile {
  readonly id: string;
  /** Absolute path on this machine. */
  readonly path: string;
  /** Extension with its dot: ".nii.gz". */
  readonly ext: string;
  readonly info: Info;
}

/** One slice of an image whose other slices are still on their way. */
export interface PartialImage {
  readonly id: string;
  /** A volume that holds slice k alone (nk = 1). */
  readonly path: string;
  readonly ext: string;
  readonly digest: string;
  /** Which slice it is, and the grid of the image that it belongs to. */
  readonly slice: { readonly k: number; readonly shape: Shape; readonly geometry: Geometry };
}

/** What the index knows about an image, not copied: to be looked at and not kept or changed. */
export interface ImageGlance {
  readonly image: { readonly ext: string; readonly info: Readonly<Info> };
  /** By tag. */
  readonly labels: ReadonlyMap<string, { readonly ext: string; readonly info: Readonly<Info> }>;
}

/** Where images come from and labels go to. Ids are opaque; no id is ever used as a path unchecked. */
export interface Datastore {
  start(): Promise<void>;
  close(): Promise<void>;
  document(): Promise<DatastoreDocument>;
  /** The document as JSON text: the way for a large store, made without holding up requests. */
  documentText(): Promise<Buffer>;
  stats(): Promise<DatastoreStats>;
  listImages(): Promise<string[]>;
  /** Ids of images that have no label under `final`. */
  listUnlabeled(): Promise<string[]>;
  /** Shows every image, in the order of ids and in one go, to `pick`; what it returns is collected, undefined left out. */
  select<T>(pick: (id: string, glance: ImageGlance) => T | undefined): Promise<T[]>;
  /** As `select`, for choosing one: a large store may leave out what it does not know yet. Default: `select`. */
  selectSome?<T>(pick: (id: string, glance: ImageGlance) => T | undefined): Promise<T[]>;
  /** Asks where labels come from whether there are others on this image than is known here; true where there are, which is known now. */
  lookAgain?(id: string): Promise<boolean>;
  /** As `image`, without waiting for voxels: `path` is "" where they would have to be fetched first. */
  peek(id: string): Promise<ImageFile | null>;
  /** Begins to fetch an image that is likely to be asked for soon. */
  prefetch?(id: string): Promise<void>;
  /** Slice k of an image that is not wholly here, as a file in `folder`; null where the whole is here, or there is no such slice. */
  partial?(id: string, k: number, folder: string): Promise<PartialImage | null>;
  /** Where a DICOM image came from; null for any other. */
  source?(id: string): Promise<PlannedVolume | null>;
  /** Null where the id is not known. Waits until its file is here. */
  image(id: string): Promise<ImageFile | null>;
  label(id: string, tag: string): Promise<ImageFile | null>;
  /** Hex sha256 of the image file, cached by size and modification time. */
  imageDigest(id: string): Promise<string>;
  imageHeader(id: string): Promise<VolumeHeader>;
  /** Takes over a finished temporary file (moved, not copied, where the file system allows). */
  addImage(id: string, ext: string, file: string, info: Info): Promise<void>;
  removeImage(id: string): Promise<void>;
  /** What it returns travels to the client beside the ids: how far the label has got, where it goes further than this disk. */
  saveLabel(id: string, tag: string, ext: string, file: string, info: Info): Promise<Info | void>;
  removeLabel(id: string, tag: string): Promise<void>;
  /** Keeps beside a label how it came about (JSON; null: nothing is known any more); absent where a store has no place for it. */
  saveProvenance?(id: string, tag: string, document: unknown): Promise<void>;
  /** Shallow merge. */
  updateImageInfo(id: string, info: Info): Promise<void>;
  /** The same for what may be lost when the process is killed within a second: seen at once, written to the disk soon. */
  noteImageInfo(id: string, info: Info): Promise<void>;
  updateLabelInfo(id: string, tag: string, info: Info): Promise<void>;
}
