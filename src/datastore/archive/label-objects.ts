/** Labels between the files that clients send and the DICOM objects that an archive keeps. */
import { randomUUID } from "node:crypto";
import type { CodeTable } from "../../dicom/seg/codes.js";
import { encodeSeg } from "../../dicom/seg/encode.js";
import { segmentsOfFile } from "../../dicom/seg/from-file.js";
import type { PlannedVolume } from "../../dicom/types.js";
import { LimnetError } from "../../errors.js";
import type { Info } from "../datastore.js";

export interface LabelObject {
  readonly bytes: Buffer;
  readonly series: string;
  readonly instance: string;
}

/** How labels become DICOM and come back. */
export interface LabelFormat {
  /** A DICOM object of a label file; null where the label has no voxel: there is nothing to say to an archive then. */
  write(label: { readonly path: string; readonly info: Info }, source: PlannedVolume): Promise<LabelObject | null>;
  /** Writes the label that the objects of one label series hold, on the grid of `source`, to `path` (.seg.nrrd). */
  read(objects: readonly Buffer[], source: PlannedVolume, path: string): Promise<void>;
}

/** DICOM segmentations, coded as the app says. */
export class LabelObjects implements LabelFormat {
  codes: CodeTable = {};
  version = "";

  async write({ path, info }: { readonly path: string; readonly info: Info }, source: PlannedVolume): Promise<LabelObject | null> {
    const user = textOf(info.user) || textOf(info.client_id);
    const model = textOf(info.model);
    const segments = await segmentsOfFile({
      path, labelInfo: info.label_info, codes: this.codes,
      algorithm: "SEMIAUTOMATIC",
      ...(model && { model: { name: model, digest: textOf((info.params as Info | undefined)?.digest) } }),
      owner: { seriesInstanceUid: source.info.seriesInstanceUid, user },
    }, source);
    if (segments.length === 0) return null;
    const uids = { series: newUid(), instance: newUid() };
    const bytes = encodeSeg(source, segments, {
      version: this.version, time: new Date(), uids, seriesDescription: model || "limnet",
      ...(user && { reader: user }),
    });
    return { bytes, ...uids };
  }

  async read(): Promise<void> {
    throw new LimnetError("not_implemented", "Labels that only the archive has cannot be opened by this version. Open the segmentation in a DICOM viewer.");
  }
}

/** A UID of a UUID (PS3.5 B.2). */
export function newUid(): string {
  return `2.25.${BigInt(`0x${randomUUID().replaceAll("-", "")}`)}`;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value.slice(0, 200) : "";
}
