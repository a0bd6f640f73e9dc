/** `datastore_v2.json` of MONAI Label: read leniently, keys we do not know kept, written whole or not at all. */
import { copyFile, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile } from "../durable.js";
import type { DatastoreDocument, Info } from "./datastore.js";
import type { Log } from "./log.js";
import { isPlainExtension, labelExtensions, nameProblem } from "./names.js";

export const indexName = "datastore_v2.json";

/** A file of the datastore. `rest` holds keys of other programs. */
export interface FileEntry {
  ext: string;
  info: Info;
  rest: Info;
}

export interface ImageEntry {
  image: FileEntry;
  /** Changed by setLabel and dropLabel only. */
  labels: ReadonlyMap<string, FileEntry>;
  rest: Info;
}

/** Most entries have none of these: one object for all of them saves a third of the memory of a large folder. */
const nothing: Info = Object.freeze({});
export const noLabels: ReadonlyMap<string, FileEntry> = new Map();

/** Adds or replaces a label of an entry. */
export function setLabel(entry: ImageEntry, tag: string, label: FileEntry): void {
  if (entry.labels === noLabels) entry.labels = new Map();
  (entry.labels as Map<string, FileEntry>).set(tag, label);
}

/** Removes a label of an entry. */
export function dropLabel(entry: ImageEntry, tag: string): void {
  if (entry.labels !== noLabels) (entry.labels as Map<string, FileEntry>).delete(tag);
}

/** The index in memory. Maps, so that an id such as "__proto__" is only a name. */
export interface Index {
  rest: Info;
  objects: Map<string, ImageEntry>;
}

/** An index as MONAI Label creates it. */
export function emptyIndex(): Index {
  return { rest: { name: "new-dataset", description: "New Dataset", images_dir: ".", labels_dir: "labels" }, objects: new Map() };
}

function toObject(entry: ImageEntry): DatastoreDocument["objects"][string] {
  const file = ({ ext, info, rest }: FileEntry) => (rest === nothing ? { ext, info } : { ...rest, ext, info });
  return {
    ...entry.rest,
    image: file(entry.image),
    labels: entry.labels.size === 0 ? {} : Object.fromEntries([...entry.labels].map(([tag, label]) => [tag, file(label)])),
  };
}

/** The document as clients and `datastore_v2.json` have it. */
export function toDocument(index: Index): DatastoreDocument {
  const objects = [...index.objects].map(([id, entry]) => [id, toObject(entry)]);
  return { ...emptyIndex().rest, ...index.rest, objects: Object.fromEntries(objects) } as unknown as DatastoreDocument;
}

/** Entries between two pauses: a few milliseconds of work. */
const entriesPerPiece = 2000;

/**
 * The document as JSON text, piece by piece with pauses, one line per image: a folder of 100,000 images must not hold up the thread
 * that serves requests. An entry that changes meanwhile is written as it was or as it became, never half.
 */
export async function* documentPieces(index: Index): AsyncGenerator<string> {
  const head = JSON.stringify({ ...emptyIndex().rest, ...index.rest }, null, 1);
  const opened = `${head.slice(0, head.lastIndexOf("\n"))},\n "objects": {`;
  let lines: string[] = [];
  let before = opened;
  for (const [id, entry] of index.objects) {
    lines.push(`${before}\n  ${JSON.stringify(id)}: ${JSON.stringify(toObject(entry))}`);
    before = ",";
    if (lines.length < entriesPerPiece) continue;
    yield lines.join("");
    lines = [];
    await new Promise(setImmediate);
  }
  yield `${lines.join("")}${before === opened ? opened : "\n "}}\n}\n`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const orNothing = (rest: Info) => (Object.keys(rest).length === 0 ? nothing : rest);
/** One string for all entries of a type, where the type is a usual one. */
const sharedText = (ext: string) => labelExtensions.find((known) => known === ext) ?? ext;

function fileEntry(value: unknown): FileEntry | null {
  if (!isObject(value)) return null;
  const { ext, info = {}, ...rest } = value;
  if (typeof ext !== "string" || !isPlainExtension(ext) || !isObject(info)) return null;
  return { ext: sharedText(ext), info, rest: orNothing(rest) };
}

/** Turns parsed JSON into an index; `damaged` counts entries that could not be read. Null where it is no index at all. */
export function fromDocument(value: unknown): { index: Index; damaged: number } | null {
  if (!isObject(value) || !isObject(value.objects ?? {})) return null;
  const { objects = {}, ...rest } = value;
  const index: Index = { rest, objects: new Map() };
  let damaged = 0;
  for (const [id, object] of Object.entries(objects as object)) {
    const image = isObject(object) && nameProblem(id) === null ? fileEntry(object.image) : null;
    if (!image || !isObject(object.labels ?? {})) {
      damaged++;
      continue;
    }
    const { image: _image, labels = {}, ...others } = object;
    const entry: ImageEntry = { image, labels: noLabels, rest: orNothing(others) };
    for (const [tag, label] of Object.entries(labels as object)) {
      const read = nameProblem(tag) === null ? fileEntry(label) : null;
      if (read) setLabel(entry, tag, read);
      else damaged++;
    }
    index.objects.set(id, entry);
  }
  return { index, damaged };
}

/** Entry of a file that was found, as MONAI Label fills it. */
export function freshEntry(id: string, ext: string): FileEntry {
  return { ext: sharedText(ext), info: { ts: Math.floor(Date.now() / 1000), name: id + ext }, rest: nothing };
}

/** Entry of an image that was not known before. */
export function freshImage(id: string, ext: string): ImageEntry {
  return { image: freshEntry(id, ext), labels: noLabels, rest: nothing };
}

/** Reads the index of a folder. A damaged file is set aside under another name, never thrown away. */
export async function readIndex(folder: string, log: Log): Promise<Index> {
  const path = join(folder, indexName);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return emptyIndex();
    throw error;
  }
  let read: ReturnType<typeof fromDocument> = null;
  try {
    read = fromDocument(JSON.parse(text));
  } catch {
    // Not JSON: handled as any other damage below.
  }
  if (read && read.damaged === 0) return read.index;
  const aside = `${indexName}.broken-${Date.now()}`;
  if (read) await copyFile(path, join(folder, aside));
  else await rename(path, join(folder, aside));
  log.warn(`${indexName} is damaged: it was kept as ${aside} and is rebuilt from the files that are there.`);
  return read?.index ?? emptyIndex();
}

/** Writes the index. After a crash the old or the new one is there. */
export async function writeIndex(folder: string, index: Index): Promise<void> {
  await replaceFile(join(folder, indexName), documentPieces(index), { mode: 0o644 });
}
