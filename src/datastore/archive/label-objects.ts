/** Labels between the files that clients send and the DICOM objects that an archive keeps. */
import { DicomLabels, type LabelObject, type LabelSettings } from "../../dicom/labels.js";
import type { PlannedVolume } from "../../dicom/types.js";
import type { Info } from "../datastore.js";

export type { LabelObject } from "../../dicom/labels.js";
export { newUid } from "../../dicom/seg/values.js";

/** How labels become DICOM and come back. */
export interface LabelFormat {
  /** A DICOM object of a label file; null where the label has no voxel: there is nothing to say to an archive then. */
  write(label: { readonly path: string; readonly info: Info }, source: PlannedVolume): Promise<LabelObject | null>;
  /** Writes the label that the objects of one label series hold, on the grid of `source`, to `path` (.seg.nrrd). */
  read(objects: readonly Buffer[], source: PlannedVolume, path: string): Promise<void>;
}

/** DICOM segmentations, coded as the app says; the app is known later than the datastore. */
export class LabelObjects implements LabelFormat {
  settings: LabelSettings = { codes: {}, version: "", clicked: [] };

  write(label: { readonly path: string; readonly info: Info }, source: PlannedVolume): Promise<LabelObject | null> {
    return new DicomLabels(this.settings).write(label, source);
  }

  read(objects: readonly Buffer[], source: PlannedVolume, path: string): Promise<void> {
    return new DicomLabels(this.settings).read(objects, source, path);
  }
}
