/** Labels of a store as files that other programs read, one for each image and tag. */
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Datastore } from "../datastore/datastore.js";
import { type ExportFormat, exportFormats } from "../dicom/export.js";
import type { LabelWork } from "../dicom/labels.js";
import { LimnetError } from "../errors.js";

export interface ExportOptions {
  readonly datastore: Datastore;
  readonly labels: LabelWork;
  readonly format: ExportFormat;
  /** Made where it is not there. */
  readonly folder: string;
  /** Tags that are wanted; none: all. */
  readonly tags: readonly string[];
  /** Images that are wanted; none: all. */
  readonly images: readonly string[];
  /** Writes over files that are there already. */
  readonly force: boolean;
}

/** Formats that share an extension. */
const kinds: Partial<Record<ExportFormat, string>> = { dicom_seg: ".seg", dicom_labelmap: ".labelmap", rtstruct: ".rtstruct" };

export interface Exported {
  readonly image: string;
  readonly tag: string;
  /** Name of the file in the folder; null where there is none. */
  readonly file: string | null;
  /** Why there is no file. */
  readonly reason?: string;
}

/** Exports label after label; what cannot be exported is told with its reason, and the others go on. */
export async function* exportLabels(options: ExportOptions): AsyncGenerator<Exported> {
  const { datastore, folder, images, tags } = options;
  await mkdir(folder, { recursive: true });
  const wanted = await datastore.select((id, { labels }) => (images.length === 0 || images.includes(id) ? { id, tags: [...labels.keys()].filter((tag) => tags.length === 0 || tags.includes(tag)) } : undefined));
  for (const { id, tags: found } of wanted) {
    for (const tag of found.sort()) yield await exportOne(options, id, tag);
  }
  for (const id of images) if (!wanted.some((one) => one.id === id)) yield { image: id, tag: "", file: null, reason: "there is no such image" };
}

async function exportOne({ datastore, labels, format, folder, force }: ExportOptions, image: string, tag: string): Promise<Exported> {
  const file = `${image}.${tag}${kinds[format] ?? ""}${exportFormats[format]}`;
  const path = join(folder, file);
  if (!force && (await stat(path).catch(() => null))) return { image, tag, file: null, reason: `${file} is there already; --force writes over it` };
  const fresh = join(folder, `.new-${file}`);
  try {
    const label = await datastore.label(image, tag);
    if (!label) return { image, tag, file: null, reason: "it was removed meanwhile" };
    const source = (await datastore.source?.(image)) ?? null;
    await labels.export(label, source ?? (await datastore.imageHeader(image)), source, format, fresh);
    await rename(fresh, path);
    return { image, tag, file };
  } catch (error) {
    if (!(error instanceof LimnetError)) throw error;
    return { image, tag, file: null, reason: error.message };
  } finally {
    await rm(fresh, { force: true });
  }
}
