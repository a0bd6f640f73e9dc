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

/** Where images come from and labels go to. Ids are opaque; no id is ever used as a path unchecked. */
export interface Datastore {
  start(): Promise<void>;
  close(): Promise<void>;
  document(): Promise<DatastoreDocument>;
  stats(): Promise<DatastoreStats>;
  listImages(): Promise<string[]>;
  /** Ids of images that have no label under `final`. */
  listUnlabeled(): Promise<string[]>;
  /** Null where the id is not known. */
  image(id: string): Promise<ImageFile | null>;
  label(id: string, tag: string): Promise<ImageFile | null>;
  /** Hex sha256 of the image file, cached by size and modification time. */
  imageDigest(id: string): Promise<string>;
  imageHeader(id: string): Promise<VolumeHeader>;
  /** Takes over a finished temporary file (moved, not copied, where the file system allows). */
  addImage(id: string, ext: string, file: string, info: Info): Promise<void>;
  removeImage(id: string): Promise<void>;
  saveLabel(id: string, tag: string, ext: string, file: string, info: Info): Promise<void>;
  removeLabel(id: string, tag: string): Promise<void>;
  /** Shallow merge. */
  updateImageInfo(id: string, info: Info): Promise<void>;
  updateLabelInfo(id: string, tag: string, info: Info): Promise<void>;
}
