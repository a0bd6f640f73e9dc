/** The parts of a store on an archive, each made of those before it. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { FrameDecoder } from "../../dicom/types.js";
import type { ArchiveClient } from "../../dicomweb/client.js";
import type { SeriesRecord } from "../../dicomweb/series.js";
import { FolderDatastore } from "../folder.js";
import type { Log } from "../log.js";
import { Catalog } from "./catalog.js";
import { ArchiveImages } from "./images.js";
import { LabelLinks } from "./label-links.js";
import type { LabelFormat } from "./label-objects.js";
import { ArchiveLabels } from "./labels.js";
import { Outbox, type OutboxOptions } from "./outbox.js";
import { Records } from "./records.js";
import { SeriesCache } from "./series-cache.js";
import { SeriesList } from "./series-list.js";

export interface DicomWebOptions {
  readonly client: ArchiveClient;
  readonly decoder: FrameDecoder;
  readonly labels: LabelFormat;
  readonly log: Log;
  /** Volumes that can be loaded again. */
  readonly cacheFolder: string;
  readonly cacheBytes: number;
  /** Labels, infos and the outbox of this archive: what cannot be had again. */
  readonly stateFolder: string;
  /** Modalities that are listed. */
  readonly modalities: readonly string[];
  /** QIDO-RS filter of the list in place of the modalities. */
  readonly filter?: Readonly<Record<string, string>>;
  readonly suv?: boolean;
  /** Most voxels of a volume. */
  readonly maxVoxels?: number;
  /** Milliseconds after which the list and a volume are asked for again. */
  readonly freshMs?: number;
  readonly pageSize?: number;
  readonly outbox?: Partial<Pick<OutboxOptions, "firstMs" | "longestMs" | "verifyMs">>;
  readonly leaseMs?: number;
  /** Leaves what waits in the outbox to the server that put it there. */
  readonly readOnly?: boolean;
}

/** Modalities whose images lie in space, slice by slice. */
export const volumeModalities = ["CT", "MR", "PT", "NM", "US", "OPT"] as const;

/** Room for labels that were read from the archive, beside that of the volumes. */
const labelShare = 0.1;

export interface ArchiveParts {
  readonly options: DicomWebOptions;
  /** Series that are images, and those that are labels. */
  readonly list: SeriesList;
  readonly labelList: SeriesList;
  readonly links: LabelLinks;
  readonly records: Records;
  readonly catalog: Catalog;
  readonly cache: SeriesCache;
  readonly images: ArchiveImages;
  /** Images that clients sent themselves. */
  readonly local: FolderDatastore;
  readonly outbox: Outbox;
  readonly labels: ArchiveLabels;
}

export function makeParts(options: DicomWebOptions): ArchiveParts {
  const { client, log, modalities, filter, freshMs = 30_000, pageSize, stateFolder } = options;
  const accept = filter ? () => true : ({ modality }: SeriesRecord) => modalities.includes(modality);
  const list = new SeriesList({ client, log, freshMs, pageSize, accept, filters: filter ? [filter] : modalities.map((Modality) => ({ Modality })) });
  const labelList = new SeriesList({ client, log, freshMs, pageSize, accept: ({ modality }) => modality === "SEG", filters: [{ Modality: "SEG" }] });
  const links = new LabelLinks(client, labelList, stateFolder, log);
  const records = new Records(join(stateFolder, "images"));
  const catalog = new Catalog(client, list, links, records);
  const cache = new SeriesCache(options.cacheFolder, { maxBytes: options.cacheBytes, log, leaseMs: options.leaseMs });
  const images = new ArchiveImages({ client, cache, decoder: options.decoder, log, suv: options.suv ?? false, maxVoxels: options.maxVoxels, freshMs });
  const local = new FolderDatastore(join(stateFolder, "local"), { log });
  const outbox: Outbox = new Outbox(join(stateFolder, "outbox"), { client, log, ...options.outbox, onStored: (entry) => labels.stored(entry) });
  const labels = new ArchiveLabels({ client, log, format: options.labels, images, links, records, outbox, folder: stateFolder, read: { maxBytes: options.cacheBytes * labelShare, leaseMs: options.leaseMs ?? 600_000 } });
  return { options, list, labelList, links, records, catalog, cache, images, local, outbox, labels };
}

/** Also where the archive does not answer: it may come back, and what is cached can be used. */
export async function openParts({ options, list, links, records, cache, local, outbox }: ArchiveParts): Promise<void> {
  await mkdir(options.stateFolder, { recursive: true, mode: 0o700 });
  await Promise.all([records.open(), cache.open(), links.open(), local.start()]);
  if (!options.readOnly) await outbox.open();
  await list.some().catch((error: Error) => options.log.warn("The archive does not answer yet.", { error: error.message }));
}

/** Stops what is under way, then what it needs. */
export async function closeParts({ options, list, labelList, links, records, images, local, outbox }: ArchiveParts): Promise<void> {
  list.close();
  labelList.close();
  await Promise.all([outbox.close(), links.close(), images.close()]);
  await records.close();
  await local.close();
  await options.decoder.close();
  options.client.http.close();
}
