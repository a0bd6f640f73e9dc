/** The Datastore on a local folder: its changes. Files and index go together, one change at a time. */
import { rm } from "node:fs/promises";
import { makeFolder, moveInto } from "../durable.js";
import type { Datastore, Info } from "./datastore.js";
import { FolderReader } from "./folder-reader.js";
import { dropLabel, type FileEntry, freshEntry, freshImage, type ImageEntry, type Index, setLabel } from "./index-file.js";
import { checkExtension, checkId, checkTag, imageExtensions, labelExtensions } from "./names.js";
import { writeProvenance } from "./provenance.js";
import { unknownImage, unknownLabel } from "./unknown.js";

export type { FolderOptions } from "./folder-reader.js";

export class FolderDatastore extends FolderReader implements Datastore {
  /** Replaces an image of the same id; its labels stay (MONAI Label drops what it knows about them). */
  async addImage(id: string, ext: string, file: string, info: Info): Promise<void> {
    checkId(id);
    checkExtension(ext, imageExtensions);
    await this.index.change(async (index) => {
      const before = index.objects.get(id);
      const extBefore = before?.image.ext;
      await moveInto(file, this.files.imagePath(id, ext));
      const entry = before ?? freshImage(id, ext);
      entry.image = { ...freshEntry(id, ext), rest: entry.image.rest };
      entry.image.info = { ...info, ...entry.image.info };
      index.objects.set(id, entry);
      await this.files.keepImage(id, ext, extBefore);
    });
  }

  removeImage(id: string): Promise<void> {
    return this.index.change(async (index) => {
      const entry = entryOf(index, id);
      for (const [tag, label] of entry.labels) {
        await rm(this.files.labelPath(id, tag, label.ext), { force: true });
        await rm(this.files.provenancePath(id, tag), { force: true });
      }
      await this.files.keepImage(id, null, entry.image.ext);
      index.objects.delete(id);
    });
  }

  /** A label saved before under another extension is removed: two files for one label would be one too many. */
  async saveLabel(id: string, tag: string, ext: string, file: string, info: Info): Promise<void> {
    checkTag(tag);
    checkExtension(ext, labelExtensions);
    await this.index.change(async (index) => {
      const entry = entryOf(index, id);
      await makeFolder(this.files.tagFolder(tag));
      await moveInto(file, this.files.labelPath(id, tag, ext));
      const label = freshEntry(id, ext);
      label.info = { ...info, ...label.info };
      const before = entry.labels.get(tag);
      setLabel(entry, tag, label);
      await this.files.keepLabel(id, tag, ext, before?.ext);
    });
  }

  async saveProvenance(id: string, tag: string, document: unknown): Promise<void> {
    checkId(id);
    checkTag(tag);
    if (document === null) await rm(this.files.provenancePath(id, tag), { force: true });
    else await writeProvenance(this.files.tagFolder(tag), id, document);
  }

  removeLabel(id: string, tag: string): Promise<void> {
    return this.index.change(async (index) => {
      const label = index.objects.get(id)?.labels.get(tag);
      if (!label) throw unknownLabel(id, tag);
      await this.files.keepLabel(id, tag, null, label.ext);
      await rm(this.files.provenancePath(id, tag), { force: true });
      dropLabel(index.objects.get(id)!, tag);
    });
  }

  updateImageInfo(id: string, info: Info): Promise<void> {
    return this.index.amend((index) => merge(entryOf(index, id).image, info));
  }

  noteImageInfo(id: string, info: Info): Promise<void> {
    return this.index.note((index) => merge(entryOf(index, id).image, info));
  }

  updateLabelInfo(id: string, tag: string, info: Info): Promise<void> {
    return this.index.amend((index) => {
      const label = entryOf(index, id).labels.get(tag);
      if (!label) throw unknownLabel(id, tag);
      merge(label, info);
    });
  }
}

function merge(entry: FileEntry, info: Info): void {
  entry.info = { ...entry.info, ...info };
}

function entryOf(index: Index, id: string): ImageEntry {
  const entry = index.objects.get(id);
  if (!entry) throw unknownImage(id);
  return entry;
}
