/** What lies in the folder right now: images on the top level, labels below labels/<tag>/. */
import { opendir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { nullIfAway } from "../durable.js";
import type { Log } from "./log.js";
import { imageExtensions, labelExtensions, nameProblem, seriesFolderExtension, splitName } from "./names.js";

/** The files of one folder. */
export interface FolderScan {
  /** Per id the extensions found, in order of preference. */
  readonly found: ReadonlyMap<string, readonly string[]>;
  /** Whether the file of an id is there, also under an extension that only an older index knows. */
  has(id: string, ext: string): boolean;
}

export interface Scan {
  readonly images: FolderScan;
  /** By tag. */
  readonly labels: ReadonlyMap<string, FolderScan>;
}

/** Whether a folder holds a DICOM series. */
export type IsSeries = (folder: string) => Promise<boolean>;

/** Looks into `folder` and its label folders. Throws where the folder itself cannot be read: nothing may be concluded then. */
export async function scanFolder(folder: string, log: Log, isSeries: IsSeries = async () => false): Promise<Scan> {
  const images = await scanFiles(folder, imageExtensions, log, isSeries);
  const labels = new Map<string, FolderScan>();
  for (const tag of await labelTags(folder)) labels.set(tag, await scanFiles(join(folder, "labels", tag), labelExtensions, log));
  return { images, labels };
}

/** Sub-folders of labels/: each is a tag. */
export async function labelTags(folder: string): Promise<string[]> {
  const entries = await readdir(join(folder, "labels"), { withFileTypes: true }).catch(emptyIfMissing);
  return entries.filter((entry) => entry.isDirectory() && nameProblem(entry.name) === null).map((entry) => entry.name).sort();
}

export interface FolderStamp {
  /** Changes when files appear in or vanish from one of the folders, or someone else writes the index. */
  readonly value: string;
  /** False where the last change is so fresh that one more could have got the same time: the value is not to be trusted then. */
  readonly settled: boolean;
}

/** What the times of the folders say, a few system calls for any number of files. */
export async function folderStamp(folder: string, indexName: string): Promise<FolderStamp> {
  const tags = await labelTags(folder);
  const paths = [folder, join(folder, "labels"), join(folder, indexName), ...tags.map((tag) => join(folder, "labels", tag))];
  const found = await Promise.all(paths.map((path) => stat(path, { bigint: true }).catch(() => null)));
  const settled = found.every((one) => !one || Date.now() - Number(one.mtimeMs) > clockStepMs(one.mtimeNs));
  return { value: [...tags, ...found.map((one) => (one ? `${one.ino}.${one.mtimeNs}` : "-"))].join("|"), settled };
}

/** Linux stamps files once per tick of a few milliseconds; some file systems keep whole seconds only. */
function clockStepMs(mtimeNs: bigint): number {
  return mtimeNs % 1_000_000_000n === 0n ? 2000 : 20;
}

function emptyIfMissing(error: NodeJS.ErrnoException): never[] {
  if (error.code === "ENOENT" || error.code === "ENOTDIR") return [];
  throw error;
}

/** Entries that the system is asked for at once: reading 100,000 names in one go would hold up the thread that serves requests. */
const namesPerPiece = 4096;

async function scanFiles(folder: string, extensions: readonly string[], log: Log, isSeries?: IsSeries): Promise<FolderScan> {
  const found = new Map<string, readonly string[]>();
  const others = new Set<string>();
  /** Most ids have one file of a usual type: they share these. */
  const alone = new Map(extensions.map((ext) => [ext, [ext]]));
  const rank = (ext: string) => (ext === seriesFolderExtension ? extensions.length : extensions.indexOf(ext.toLowerCase()));
  for await (const entry of await opendir(folder, { bufferSize: namesPerPiece })) {
    const { name } = entry;
    if (name.startsWith(".")) continue;
    if (!entry.isFile() && isSeries && name !== "labels" && nameProblem(name) === null && (await isSeries(join(folder, name)))) {
      // A file of the same name goes before the folder.
      found.set(name, [...(found.get(name) ?? []), seriesFolderExtension]);
      continue;
    }
    // A link to a file is how people gather scans that lie elsewhere.
    if (!entry.isFile() && !(entry.isSymbolicLink() && (await stat(join(folder, name)).catch(nullIfAway))?.isFile())) continue;
    const split = splitName(name, extensions);
    const problem = split && nameProblem(split.id);
    if (problem) log.warn(`A file of the studies folder is ignored: its name ${problem}.`);
    if (!split || problem) {
      others.add(name);
      continue;
    }
    const before = found.get(split.id);
    if (!before) found.set(split.id, alone.get(split.ext) ?? [split.ext]);
    else found.set(split.id, [...before, split.ext].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1)));
  }
  const has = (id: string, ext: string): boolean => {
    if (found.get(id)?.includes(ext)) return true;
    const split = splitName(id + ext, extensions);
    return others.has(id + ext) || (split !== null && (found.get(split.id)?.includes(split.ext) ?? false));
  };
  return { found, has };
}
