/** What is set about an archive: its address, its limits and its deadlines. */
import { createHash } from "node:crypto";

export interface Prefixes {
  readonly qido: string;
  readonly wado: string;
  readonly stow: string;
}

export interface Deadlines {
  /** Milliseconds until the first byte of an answer. */
  readonly answer: number;
  /** Milliseconds between two pieces of an answer. */
  readonly idle: number;
  /** Milliseconds for one answer as a whole. */
  readonly total: number;
}

export interface ArchiveSettings {
  /** Base address without a slash at its end, without user and password. */
  readonly url: string;
  readonly prefixes: Prefixes;
  readonly deadlines: Deadlines;
  /** Most bytes of one JSON answer. */
  readonly maxJsonBytes: number;
  /** Most bytes of one DICOM instance. */
  readonly maxInstanceBytes: number;
  /** Most bytes of one series. */
  readonly maxSeriesBytes: number;
  /** Most instances of one series. */
  readonly maxInstances: number;
}

export const defaultDeadlines: Deadlines = { answer: 30_000, idle: 30_000, total: 900_000 };

/**
 * Settings of the archive at `address`. User and password in the address are split off and handed back.
 * @throws Error with a sentence for an address that cannot be used; it does not repeat the address
 */
export function archiveSettings(address: string, others: Partial<Omit<ArchiveSettings, "url">> = {}): { settings: ArchiveSettings; user?: { username: string; password: string } } {
  if (!URL.canParse(address)) throw new Error("The address of the archive is no address. It looks like http://127.0.0.1:8042/dicom-web.");
  const url = new URL(address);
  if (url.protocol !== "http:" && url.protocol !== "https:") throw new Error("The address of the archive has to begin with http:// or https://.");
  if (url.search || url.hash) throw new Error("The address of the archive may have no ? and no #: name the root of its DICOMweb services.");
  const user = url.username === "" ? undefined : { username: decodeURIComponent(url.username), password: decodeURIComponent(url.password) };
  url.username = "";
  url.password = "";
  return {
    settings: {
      url: url.href.replace(/\/+$/, ""),
      prefixes: { qido: "", wado: "", stow: "" },
      deadlines: defaultDeadlines,
      maxJsonBytes: 512 * 2 ** 20,
      maxInstanceBytes: 2 ** 31,
      maxSeriesBytes: 8 * 2 ** 30,
      maxInstances: 20_000,
      ...others,
    },
    user,
  };
}

/** Names the archive in folder names: the same address gives the same name. */
export function archiveKey(settings: ArchiveSettings): string {
  return createHash("sha256").update(settings.url).digest("hex").slice(0, 32);
}
