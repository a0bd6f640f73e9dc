/** Series as QIDO-RS lists them, page after page. */
import type { ArchiveClient } from "./client.js";
import { type Attributes, isUid, numberOf, tags, textOf } from "./json.js";

export interface SeriesRecord {
  readonly series: string;
  readonly study: string;
  readonly modality: string;
  readonly description: string;
  readonly patient: string;
  /** As DICOM writes them: YYYYMMDD and HHMMSS.FFFFFF, of the study; "" where the archive does not say. */
  readonly date: string;
  readonly time: string;
  /** Instances in the series; null where the archive does not say. */
  readonly instances: number | null;
}

/** What is asked for beyond what every archive answers with. */
const include = [tags.StudyDate, tags.StudyTime, tags.SeriesDescription, tags.PatientID, tags.StudyInstanceUID, tags.NumberOfSeriesRelatedInstances].join(",");

/** Null for an entry without valid UIDs: nothing can be asked about it. */
export function seriesRecord(found: Attributes): SeriesRecord | null {
  const series = textOf(found, tags.SeriesInstanceUID);
  const study = textOf(found, tags.StudyInstanceUID) || studyOf(textOf(found, tags.RetrieveURL));
  if (!isUid(series) || !isUid(study)) return null;
  return {
    series, study,
    modality: textOf(found, tags.Modality),
    description: textOf(found, tags.SeriesDescription),
    patient: textOf(found, tags.PatientID),
    date: textOf(found, tags.StudyDate),
    time: textOf(found, tags.StudyTime),
    instances: numberOf(found, tags.NumberOfSeriesRelatedInstances),
  };
}

function studyOf(url: string): string {
  return /\/studies\/([0-9.]+)(\/|$)/.exec(url)?.[1] ?? "";
}

/**
 * All series that fit `filter`, one page after the other. Archives differ: some give more than the limit, some know no offset and
 * begin again, none has to sort. A series that was given already is not given again, and a page without anything new is the last.
 */
export async function* pagesOfSeries(client: ArchiveClient, filter: Readonly<Record<string, string>>, pageSize: number, signal?: AbortSignal): AsyncGenerator<SeriesRecord[]> {
  const seen = new Set<string>();
  for (let offset = 0; ; ) {
    const page = await client.searchSeries({ ...filter, includefield: include, limit: String(pageSize), offset: String(offset) }, signal);
    const fresh = page.map(seriesRecord).filter((record): record is SeriesRecord => record !== null && !seen.has(record.series));
    for (const record of fresh) seen.add(record.series);
    if (fresh.length > 0) yield fresh;
    if (page.length < pageSize || page.length > pageSize || fresh.length === 0) return;
    offset += page.length;
  }
}

/** Series of one study that fit `filter`. Archives may ignore a filter: whoever asks looks at what came. */
export async function seriesOfStudy(client: ArchiveClient, study: string, filter: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<SeriesRecord[]> {
  const found = await client.searchSeries({ ...filter, StudyInstanceUID: study, includefield: include }, signal);
  return found.map(seriesRecord).filter((record): record is SeriesRecord => record?.study === study);
}

/** One series by its UID; null where the archive does not have it. */
export async function findSeries(client: ArchiveClient, series: string, signal?: AbortSignal): Promise<SeriesRecord | null> {
  if (!isUid(series)) return null;
  const found = await client.searchSeries({ SeriesInstanceUID: series, includefield: include }, signal);
  return found.map(seriesRecord).find((record) => record?.series === series) ?? null;
}
