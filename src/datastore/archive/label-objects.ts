/** Labels between the files that clients send and the DICOM objects that an archive keeps. */
import { randomUUID } from "node:crypto";
import type { PlannedVolume } from "../../dicom/types.js";
import type { Info } from "../datastore.js";

export interface LabelObject {
  readonly bytes: Buffer;
  readonly series: string;
  readonly instance: string;
}

/** How labels become DICOM and come back; the app says what its labels are called in codes. */
export interface LabelFormat {
  /** A DICOM object of a label file; null where the label has no voxel: there is nothing to say to an archive then. */
  write(label: { readonly path: string; readonly ext: string; readonly info: Info }, source: PlannedVolume): Promise<LabelObject | null>;
  /** Writes the label that the objects of one label series hold, on the grid of `source`, to `path` (.seg.nrrd). */
  read(objects: readonly Buffer[], source: PlannedVolume, path: string): Promise<void>;
}

/** A UID of a UUID (PS3.5 B.2). */
export function newUid(): string {
  return `2.25.${BigInt(`0x${randomUUID().replaceAll("-", "")}`)}`;
}
