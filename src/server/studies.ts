/** What --studies names, opened: a folder, or a DICOM archive. */
import { join } from "node:path";
import type { LabelFormat } from "../datastore/archive/label-objects.js";
import type { Datastore } from "../datastore/datastore.js";
import { DicomWebDatastore, volumeModalities } from "../datastore/dicomweb.js";
import type { SharedTurns } from "../datastore/file-turns.js";
import { FolderDatastore } from "../datastore/folder.js";
import type { Log } from "../datastore/log.js";
import type { FrameDecoder } from "../dicom/types.js";
import { ArchiveClient } from "../dicomweb/client.js";
import { CredentialError, Credentials } from "../dicomweb/credentials.js";
import { ArchiveHttp } from "../dicomweb/http.js";
import { archiveKey, archiveSettings, defaultDeadlines } from "../dicomweb/settings.js";
import { credentialSources, isArchive } from "./archive-settings.js";
import { type Config, ConfigError } from "./config.js";
import type { Archive } from "./context.js";

export interface Studies {
  readonly datastore: Datastore;
  readonly archive: Archive | null;
}

export interface StudiesParts {
  readonly decoder: FrameDecoder;
  /** Turns labels into DICOM for an archive. */
  readonly labels: LabelFormat;
  /** Sends nothing to the archive; default false. */
  readonly readOnly?: boolean;
  /** Of servers that share a folder of scans. */
  readonly turns?: SharedTurns;
}

/** Not started yet. Throws ConfigError. */
export async function openStudies(config: Config, log: Log, { decoder, labels, readOnly, turns }: StudiesParts, environment: NodeJS.ProcessEnv = process.env): Promise<Studies> {
  // A click that is under way may open its volume late.
  const leaseMs = Math.max(60, config.inferTimeout) * 1000;
  if (!isArchive(config.studies)) {
    const series = { cache: join(config.state, "series"), decoder, maxVoxels: config.maxVoxels, suv: config.suv, maxBytes: config.cacheSize, leaseMs, log };
    return { datastore: new FolderDatastore(config.studies, { log, series, turns }), archive: null };
  }
  const client = await archiveClient(config, environment);
  const key = archiveKey(client.settings);
  const datastore = new DicomWebDatastore({
    client, log, labels, decoder, readOnly,
    cacheFolder: join(config.cacheFolder!, key),
    cacheBytes: config.cacheSize,
    stateFolder: join(config.state, "archive"),
    modalities: config.modalities ?? volumeModalities,
    ...(config.searchFilter && { filter: config.searchFilter }),
    suv: config.suv,
    maxVoxels: config.maxVoxels,
    freshMs: config.archiveFresh * 1000,
    leaseMs,
  });
  return { datastore, archive: { client, outbox: datastore.outbox } };
}

/** A client of the archive with the credentials of the environment. Throws ConfigError. */
export async function archiveClient(config: Pick<Config, "studies" | "qidoPrefix" | "wadoPrefix" | "stowPrefix" | "archiveTimeout">, environment: NodeJS.ProcessEnv): Promise<ArchiveClient> {
  const { settings } = archiveSettings(config.studies, {
    prefixes: { qido: config.qidoPrefix, wado: config.wadoPrefix, stow: config.stowPrefix },
    deadlines: { ...defaultDeadlines, answer: config.archiveTimeout * 1000, idle: config.archiveTimeout * 1000 },
  });
  const credentials = new Credentials(credentialSources(environment));
  await credentials.header().catch((error: Error) => {
    throw error instanceof CredentialError ? new ConfigError(error.message, { cause: error }) : error;
  });
  return new ArchiveClient(new ArchiveHttp(settings, credentials));
}
