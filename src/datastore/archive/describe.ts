/** What clients are told about images and labels of an archive. */
import type { ArchiveSettings } from "../../dicomweb/settings.js";
import type { SeriesRecord } from "../../dicomweb/series.js";
import type { ImageGlance, Info } from "../datastore.js";
import { finalTag } from "../names.js";
import type { LabelLink } from "./label-links.js";
import type { ImageRecord } from "./records.js";

/** Extension of the volume of a series. */
export const imageExt = ".nii";
/** Extension of labels that were read from the archive. */
export const archiveLabelExt = ".seg.nrrd";

/** The keys that OHIF shows and Slicer uses (protocol 5.2.3). */
export function imageInfo({ url, prefixes }: ArchiveSettings, record: SeriesRecord, own: ImageRecord): Info {
  return {
    SeriesInstanceUID: record.series, StudyInstanceUID: record.study, Modality: record.modality || "UNK",
    PatientID: record.patient || "UNK", StudyDate: record.date || "UNK", StudyTime: record.time || "UNK",
    RetrieveURL: `${[url, ...(prefixes.wado ? [prefixes.wado] : [])].join("/")}/studies/${record.study}/series/${record.series}`,
    name: record.series + imageExt,
    ...own.info,
  };
}

/** An image as the list shows it; `links`: label series of the archive, the newest last. */
export function glanceOf(settings: ArchiveSettings, record: SeriesRecord, own: ImageRecord, links: readonly LabelLink[]): ImageGlance {
  const labels = new Map(Object.entries(own.labels));
  const link = links.findLast(({ series }) => !own.hidden.includes(series));
  if (link && !labels.has(finalTag)) labels.set(finalTag, { ext: archiveLabelExt, info: linkInfo(record, link) });
  return { image: { ext: imageExt, info: imageInfo(settings, record, own) }, labels };
}

/** What is known of a label that is in the archive only. */
export function linkInfo(record: SeriesRecord, { series, study }: LabelLink): Info {
  return { SeriesInstanceUID: series, StudyInstanceUID: study, Modality: "SEG", PatientID: record.patient || "UNK", name: record.series + archiveLabelExt };
}
