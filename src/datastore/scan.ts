/** What lies in the folder right now: images on the top level, labels below labels/<tag>/. */
import { opendir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "./log.js";
import { imageExtensions, labelExtensions, nameProblem, splitName } from "./names.js";

export interface Scan {
  /** Per image id the extensions found, in order of preference. */
  readonly images: ReadonlyMap<string, readonly string[]>;
  /** Per tag and id the extensions found. */
  readonly labels: ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;
  /** Every file name seen, per folder ("" for images, else the tag): an entry of an older index may name any of them. */
  readonly names: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Looks into `folder` and its label folders. Throws where the folder itself cannot be read: nothing may be concluded then. */
export async function scanFolder(folder: string, log: Log): Promise<Scan> {
  const names = new Map<string, Set<string>>();
  names.set("", await files(folder));
  const labels = new Map<string, ReadonlyMap<string, readonly string[]>>();
  for (const tag of await labelTags(folder)) {
    const found = await files(join(folder, "labels", tag));
    names.set(tag, found);
    labels.set(tag, await group(found, labelExtensions, log));
  }
  return { images: await group(names.get("")!, imageExtensions, log), labels, names };
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

/** Names between two pauses, and entries that the system is asked for at once. */
const namesPerPiece = 4096;

async function files(folder: string): Promise<Set<string>> {
  const found = new Set<string>();
  // Piece by piece: reading 100,000 names at once would hold up the thread that serves requests.
  for await (const entry of await opendir(folder, { bufferSize: namesPerPiece })) {
    if (entry.name.startsWith(".")) continue;
    if (entry.isFile()) found.add(entry.name);
    // A link to a file is how people gather scans that lie elsewhere.
    else if (entry.isSymbolicLink() && (await stat(join(folder, entry.name)).catch(() => null))?.isFile()) found.add(entry.name);
  }
  return found;
}

async function group(names: ReadonlySet<string>, extensions: readonly string[], log: Log): Promise<Map<string, readonly string[]>> {
  const found = new Map<string, readonly string[]>();
  const alone = new Map(extensions.map((ext) => [ext, [ext]]));
  const rank = (ext: string) => extensions.indexOf(ext.toLowerCase());
  let seen = 0;
  for (const name of names) {
    if (++seen % namesPerPiece === 0) await new Promise(setImmediate);
    const split = splitName(name, extensions);
    if (!split) continue;
    const problem = nameProblem(split.id);
    if (problem) log.warn(`A file of the studies folder is ignored: its name ${problem}.`);
    else {
      const others = found.get(split.id);
      if (!others) found.set(split.id, alone.get(split.ext) ?? [split.ext]);
      else found.set(split.id, [...others, split.ext].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1)));
    }
  }
  return found;
}
