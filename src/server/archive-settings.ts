/** Settings of a DICOM archive behind the datastore. User, password and token are read by themselves, so that no settings object holds them. */
import { createHash } from "node:crypto";
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { CredentialSources } from "../dicomweb/credentials.js";
import { size } from "./operations/settings.js";

const list = z.preprocess((value) => (typeof value === "string" ? value.split(/[,\s]+/).filter(Boolean).map((one) => one.toUpperCase()) : value),
  z.array(z.string().regex(/^[A-Z0-9_]{1,16}$/, "is no modality of DICOM")).min(1));
const prefix = z.string().regex(/^[A-Za-z0-9._~/-]*$/).transform((text) => text.replace(/^\/+|\/+$/g, "")).default("");

export const archiveShape = {
  /** Most bytes of volumes that are kept on this disk: of an archive, or of DICOM folders among the studies. */
  cacheSize: size.default(20 * 2 ** 30),
  cacheFolder: z.string().min(1).optional(),
  /** Modalities that are listed; default: all whose images lie in space. */
  modalities: list.optional(),
  /** QIDO-RS filter in place of the modalities. */
  searchFilter: z.preprocess((value) => (typeof value === "string" ? JSON.parse(value) : value), z.record(z.string().regex(/^[A-Za-z0-9.]{1,80}$/), z.string())).optional(),
  /** Seconds after which the archive is asked again for its list, and for what a volume was made of. */
  archiveFresh: z.coerce.number().min(0).default(30),
  /** Seconds until the archive has to answer, and between two pieces of an answer. */
  archiveTimeout: z.coerce.number().positive().default(30),
  qidoPrefix: prefix,
  wadoPrefix: prefix,
  stowPrefix: prefix,
  /** PET as SUV by body weight, where the series says enough for it. */
  suv: z.preprocess((value) => (typeof value === "string" ? /^(true|1|yes|on)$/i.test(value) : value), z.boolean().default(false)),
};

export const archiveEnvironment: Record<keyof typeof archiveShape, readonly string[]> = {
  cacheSize: ["LIMNET_CACHE_SIZE"],
  cacheFolder: ["MONAI_LABEL_DICOMWEB_CACHE_PATH", "LIMNET_CACHE"],
  modalities: ["LIMNET_MODALITIES"],
  searchFilter: ["MONAI_LABEL_DICOMWEB_SEARCH_FILTER"],
  archiveFresh: ["MONAI_LABEL_DICOMWEB_CACHE_EXPIRY", "LIMNET_DICOMWEB_FRESH"],
  archiveTimeout: ["LIMNET_DICOMWEB_TIMEOUT"],
  qidoPrefix: ["MONAI_LABEL_QIDO_PREFIX"],
  wadoPrefix: ["MONAI_LABEL_WADO_PREFIX"],
  stowPrefix: ["MONAI_LABEL_STOW_PREFIX"],
  suv: ["LIMNET_SUV"],
};

/** True where --studies names an archive. */
export function isArchive(studies: string): boolean {
  return /^https?:\/\//i.test(studies);
}

/** Names under which they may be set. */
export const credentialNames = [
  "LIMNET_DICOMWEB_USERNAME", "MONAI_LABEL_DICOMWEB_USERNAME", "LIMNET_DICOMWEB_PASSWORD", "MONAI_LABEL_DICOMWEB_PASSWORD",
  "LIMNET_DICOMWEB_PASSWORD_FILE", "LIMNET_DICOMWEB_TOKEN", "LIMNET_DICOMWEB_TOKEN_FILE",
] as const;

/** Where the credentials are to be had. */
export function credentialSources(environment: NodeJS.ProcessEnv = process.env): CredentialSources {
  const first = (...names: string[]) => names.map((name) => environment[name]).find((value) => value !== undefined && value !== "");
  return {
    username: first("LIMNET_DICOMWEB_USERNAME", "MONAI_LABEL_DICOMWEB_USERNAME"),
    password: first("LIMNET_DICOMWEB_PASSWORD", "MONAI_LABEL_DICOMWEB_PASSWORD"),
    passwordFile: first("LIMNET_DICOMWEB_PASSWORD_FILE"),
    token: first("LIMNET_DICOMWEB_TOKEN"),
    tokenFile: first("LIMNET_DICOMWEB_TOKEN_FILE"),
  };
}

/** Folders of an archive: one for what can be had again, one for what cannot. */
export function archiveFolders(studies: string, environment: NodeJS.ProcessEnv = process.env): { cache: string; state: string } {
  const key = createHash("sha256").update(studies).digest("hex").slice(0, 16);
  return {
    cache: join(environment.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "limnet", "dicom"),
    state: join(environment.XDG_STATE_HOME ?? join(homedir(), ".local", "state"), "limnet", key),
  };
}
