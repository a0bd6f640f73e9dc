/** Labels of the images of an archive: those that were saved here, on their way back through the outbox, and those that the archive has. */
import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { copyInto, makeFolder, moveInto } from "../../durable.js";
import type { ArchiveClient } from "../../dicomweb/client.js";
import { isUid } from "../../dicomweb/json.js";
import type { SeriesRecord } from "../../dicomweb/series.js";
import type { ImageFile, Info } from "../datastore.js";
import { unknownLabel } from "../unknown.js";
import type { Log } from "../log.js";
import { checkExtension, checkTag, finalTag, labelExtensions } from "../names.js";
import { provenancePath, writeProvenance } from "../provenance.js";
import { archiveLabelExt, linkInfo } from "./describe.js";
import type { ArchiveImages } from "./images.js";
import { LabelCache, type LabelCacheOptions } from "./label-cache.js";
import type { LabelLink, LabelLinks } from "./label-links.js";
import type { LabelFormat } from "./label-objects.js";
import type { Outbox } from "./outbox.js";
import type { OutboxEntry } from "./outbox-entry.js";
import type { Records } from "./records.js";

export interface ArchiveLabelsParts {
  readonly client: ArchiveClient;
  readonly format: LabelFormat;
  readonly images: ArchiveImages;
  readonly links: LabelLinks;
  readonly records: Records;
  readonly outbox: Outbox;
  readonly log: Log;
  /** Of this archive: `labels/<tag>/` below it holds the files. */
  readonly folder: string;
  /** Label series that were read from the archive: most bytes, and how long after a use one stays all the same. */
  readonly read: LabelCacheOptions;
}

export class ArchiveLabels {
  readonly #parts: ArchiveLabelsParts;
  readonly #reading = new Map<string, Promise<void>>();
  readonly #cache: LabelCache;

  constructor(parts: ArchiveLabelsParts) {
    this.#parts = parts;
    this.#cache = new LabelCache(this.#folder(".archive"), parts.read);
  }

  /**
   * A label of an image: what was saved here, else, under `final`, the newest label series of the archive. A tag that is the UID of a
   * label series of this image names that one.
   * @throws LimnetError archive_*, bad_volume where the label series does not lie on the image
   */
  async find(image: SeriesRecord, tag: string): Promise<ImageFile | null> {
    const { records, links } = this.#parts;
    const id = image.series;
    await records.refresh();
    const record = records.get(id);
    const local = record.labels[tag];
    if (local) return { id, path: this.#path(id, tag, local.ext), ext: local.ext, info: structuredClone(local.info) };
    const link = tag === finalTag
      ? (await links.onImage(image)).findLast(({ series }) => !record.hidden.includes(series))
      : isUid(tag) ? await links.of(tag) : null;
    return link?.sources.includes(id) ? this.#fromArchive(image, link) : null;
  }

  /** Under final the label goes to the archive too: at once where it answers, else from the outbox. It is kept here in both cases. */
  async save(image: SeriesRecord, tag: string, ext: string, file: string, info: Info): Promise<Info> {
    const { format, images, records, outbox } = this.#parts;
    const id = image.series;
    checkTag(tag);
    checkExtension(ext, labelExtensions);
    const object = tag === finalTag ? await format.write({ path: file, info }, (await images.volume(image)).source) : null;
    const before = records.get(id).labels[tag];
    // Kept here and in the outbox before anything is sent: whatever happens from now on, nothing is lost.
    await makeFolder(this.#folder(tag), 0o700);
    await moveInto(file, this.#path(id, tag, ext));
    if (before && before.ext !== ext) await rm(this.#path(id, tag, before.ext), { force: true });
    const entry = object && await outbox.add({ image: id, study: image.study, ...object });
    const told = entry ? { SeriesInstanceUID: entry.series, Modality: "SEG", PatientID: image.patient || "UNK", StudyInstanceUID: image.study } : {};
    const saved: Info = { ...info, ...told, ts: Math.floor(Date.now() / 1000), name: id + ext };
    await records.change(id, (now) => ({ ...now, labels: { ...now.labels, [tag]: { ext, info: saved } } }));
    if (!entry) return {};
    const left = await outbox.send(entry.id);
    return { archive: left ? { state: left.state, reason: left.reason, outbox: left.id } : { state: "stored", SeriesInstanceUID: entry.series } };
  }

  /** Label series in the archive stay there, but are not shown any more. @throws LimnetError unknown_label */
  async remove(image: SeriesRecord, tag: string): Promise<void> {
    const id = image.series;
    const { records, links: known, outbox } = this.#parts;
    const label = records.get(id).labels[tag];
    const links = tag === finalTag ? await known.onImage(image) : [];
    if (!label && links.length === 0) throw unknownLabel(id, tag);
    if (tag === finalTag) await outbox.dropFor(id);
    if (label) await rm(this.#path(id, tag, label.ext), { force: true });
    await rm(provenancePath(this.#folder(tag), id), { force: true });
    await records.change(id, (now) => {
      const { [tag]: _gone, ...labels } = now.labels;
      return { ...now, labels, hidden: [...new Set([...now.hidden, ...links.map(({ series }) => series)])] };
    });
  }

  /** Adds to what is known about a label; one of the archive becomes one of this server by it. @throws LimnetError unknown_label */
  async amend(image: SeriesRecord, tag: string, info: Info): Promise<void> {
    const { records } = this.#parts;
    const id = image.series;
    const label = await this.find(image, tag);
    if (!label) throw unknownLabel(id, tag);
    if (!records.get(id).labels[tag]) {
      await makeFolder(this.#folder(tag), 0o700);
      await copyInto(label.path, this.#path(id, tag, label.ext));
    }
    await records.change(id, (now) => ({ ...now, labels: { ...now.labels, [tag]: { ext: label.ext, info: { ...label.info, ...info } } } }));
  }

  /** How a label came about, beside it: on this server only. */
  async keepProvenance({ series: id }: SeriesRecord, tag: string, document: unknown): Promise<void> {
    checkTag(tag);
    if (document === null) return rm(provenancePath(this.#folder(tag), id), { force: true });
    await makeFolder(this.#folder(tag), 0o700);
    await writeProvenance(this.#folder(tag), id, document);
  }

  /** To be told when the archive has a label for certain. */
  async stored({ image, study, series, instance }: OutboxEntry): Promise<void> {
    const when = new Date().toISOString().replace(/[-:TZ]/g, "");
    await this.#parts.links.add({ series, study, sources: [image], instances: [instance], when, count: 1 });
    this.#parts.log.info("a label is in the archive");
  }

  /** Brings a label series here, on the grid of the image; once for each state that image and label series have been seen in. */
  async #fromArchive(image: SeriesRecord, link: LabelLink): Promise<ImageFile> {
    const { digest } = await this.#parts.images.volume(image);
    const path = join(this.#cache.folder, `${link.series}-${link.count ?? 0}-${digest.slice(0, 16)}${archiveLabelExt}`);
    if (!(await this.#cache.use(path))) {
      const reading = this.#reading.get(path) ?? this.#read(image, link, path).finally(() => this.#reading.delete(path));
      this.#reading.set(path, reading);
      await reading;
    }
    return { id: image.series, path, ext: archiveLabelExt, info: linkInfo(image, link) };
  }

  async #read(image: SeriesRecord, link: LabelLink, path: string): Promise<void> {
    const { client, format, images } = this.#parts;
    const { source } = await images.volume(image);
    const objects: Buffer[] = [];
    for await (const object of client.retrieveSeries(link)) objects.push(object);
    await makeFolder(this.#cache.folder, 0o700);
    const fresh = join(this.#cache.folder, `new-${randomBytes(6).toString("hex")}${archiveLabelExt}`);
    try {
      await format.read(objects, source, fresh);
      await moveInto(fresh, path);
      await this.#cache.tidy();
    } finally {
      await rm(fresh, { force: true });
    }
  }

  #folder(tag: string): string {
    return join(this.#parts.folder, "labels", tag);
  }

  #path(id: string, tag: string, ext: string): string {
    return join(this.#folder(tag), id + ext);
  }
}
