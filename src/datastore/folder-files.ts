/** Where the files of a folder lie: images at the top, labels below labels/TAG, as MONAI Label lays them out. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { imageExtensions, labelExtensions, seriesFolderExtension } from "./names.js";
import { provenancePath } from "./provenance.js";
import type { SeriesFolders } from "./series-folders.js";

/** Ids and tags have passed names.ts. */
export class FolderFiles {
  readonly folder: string;
  readonly #series: SeriesFolders | undefined;

  constructor(folder: string, series: SeriesFolders | undefined) {
    this.folder = folder;
    this.#series = series;
  }

  imagePath(id: string, ext: string): string {
    return join(this.folder, id + ext);
  }

  tagFolder(tag: string): string {
    return join(this.folder, "labels", tag);
  }

  labelPath(id: string, tag: string, ext: string): string {
    return join(this.tagFolder(tag), id + ext);
  }

  provenancePath(id: string, tag: string): string {
    return provenancePath(this.tagFolder(tag), id);
  }

  /** Removes the files of an image under all extensions but `ext`; null: all of them. `before`: one that only an older index knows. */
  keepImage(id: string, ext: string | null, before?: string): Promise<void> {
    return this.#keep(imageExtensions, before, ext, (other) => this.imagePath(id, other));
  }

  /** The same of a label. */
  keepLabel(id: string, tag: string, ext: string | null, before?: string): Promise<void> {
    return this.#keep(labelExtensions, before, ext, (other) => this.labelPath(id, tag, other));
  }

  async #keep(known: readonly string[], before: string | undefined, keep: string | null, path: (ext: string) => string): Promise<void> {
    for (const ext of new Set([...known, ...(before === undefined ? [] : [before])])) {
      if (ext === keep) continue;
      // A folder goes only with its image, not where a file takes its place.
      if (ext !== seriesFolderExtension) await rm(path(ext), { force: true });
      else if (keep === null && this.#series && (await this.#series.isSeries(path(ext)))) await rm(path(ext), { recursive: true, force: true });
    }
  }
}
