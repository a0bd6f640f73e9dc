/** Labels as a datastore keeps them (a file, and what the client said of it) to and from DICOM and other formats. */
import type { Grid } from "../imaging/align.js";
import { LimnetError } from "../errors.js";
import { type ExportFormat, exportLabel } from "./export.js";
import type { CodeTable } from "./seg/codes.js";
import { encodeSeg } from "./seg/encode.js";
import { placeFrames } from "./seg/frames.js";
import { segmentsOfFile } from "./seg/from-file.js";
import type { LabelSource, Making } from "./seg/modules.js";
import { readSeg, type SegGrid } from "./seg/read.js";
import type { AlgorithmType, Segment } from "./seg/segments.js";
import { newUid } from "./seg/values.js";
import { type StartFile, startMask, type Wanted } from "./start.js";

export interface LabelSettings {
  /** What labels mean: `codes` of the app. */
  readonly codes: CodeTable;
  /** Version of limnet. */
  readonly version: string;
  /** Models of this server that a person works with by clicks: what they drew is semi-automatic. */
  readonly clicked: readonly string[];
  /** Digest of the networks, where the label does not say it itself. */
  readonly modelDigest?: string;
  /** How a segmentation is written; objects that overlap are always binary. Default "binary". */
  readonly kind?: "binary" | "labelmap";
}

/** A label as it was saved. */
export interface SavedLabel {
  readonly path: string;
  /** The client's `params` and what the server added: `label_info`, `model`, `client_id`, `user` … (protocol 1.4, 6). */
  readonly info: Readonly<Record<string, unknown>>;
}

export interface LabelObject {
  readonly bytes: Uint8Array;
  readonly series: string;
  readonly instance: string;
}

/** What can be done with labels: here (DicomLabels), or in a thread (LabelThread). Everything that is asked and answered is plain data. */
export interface LabelWork {
  /**
   * The DICOM segmentation of a label, with new UIDs; null where the label has no voxel.
   * @throws LimnetError bad_volume where the file is damaged or lies on another grid; unsupported_output
   */
  write(label: SavedLabel, source: LabelSource): Promise<LabelObject | null>;
  /**
   * Writes the label that DICOM segmentations (of one series) hold, on the grid of `source`, to `path` as .seg.nrrd.
   * @throws LimnetError bad_volume where they are no segmentations of this image
   */
  read(objects: readonly Uint8Array[], source: SegGrid, path: string): Promise<void>;
  /** Writes a label in the format that somebody asks for. Throws as exportLabel. */
  export(label: SavedLabel, grid: Grid, source: LabelSource | null, format: ExportFormat, path: string): Promise<void>;
  /**
   * Mask (0 and 1) of one object of a label, on `grid`; undefined where the label is empty.
   * @throws LimnetError bad_volume (another grid, damaged), bad_params (which of several objects?)
   */
  start(file: StartFile, grid: SegGrid, wanted: Wanted): Promise<Uint8Array | undefined>;
}

export class DicomLabels implements LabelWork {
  readonly #settings: LabelSettings;

  constructor(settings: LabelSettings) {
    this.#settings = settings;
  }

  async write(label: SavedLabel, source: LabelSource): Promise<LabelObject | null> {
    const segments = await this.segments(label, source, source.info.seriesInstanceUid);
    if (segments.length === 0) return null;
    const uids = { series: newUid(), instance: newUid() };
    return { bytes: this.encode(segments, source, { ...this.making(label), uids }), ...uids };
  }

  encode(segments: readonly Segment[], source: LabelSource, making: Making): Buffer {
    const kind = this.#settings.kind === "labelmap" && !placeFrames(segments, source.shape).overlap ? "labelmap" : "binary";
    return encodeSeg(source, segments, { ...making, kind });
  }

  async read(objects: readonly Uint8Array[], source: SegGrid, path: string): Promise<void> {
    const all = await Promise.all(objects.map(async (bytes) => (await readSeg(bytes)).segments(source)));
    await exportLabel(all.flat(), source, null, "seg.nrrd", { version: this.#settings.version, time: new Date() }, path);
  }

  start(file: StartFile, grid: SegGrid, wanted: Wanted): Promise<Uint8Array | undefined> {
    return startMask(file, grid, wanted, (saved, of) => this.segments(saved, of, ""));
  }

  async export(label: SavedLabel, grid: Grid, source: LabelSource | null, format: ExportFormat, path: string): Promise<void> {
    const segments = await this.segments(label, grid, source?.info.seriesInstanceUid ?? "");
    const wanted = format === "dicom_seg" && this.#settings.kind === "labelmap" && !placeFrames(segments, grid.shape).overlap ? "dicom_labelmap" : format;
    await exportLabel(segments, grid, source, wanted, this.making(label), path);
  }

  /** Objects of a label: names and codes as the client gave them, how they came to be as the model says. */
  segments({ path, info }: SavedLabel, grid: Grid, seriesInstanceUid: string): Promise<Segment[]> {
    const result = object(info.params);
    const limnet = object(result.limnet);
    const model = typeof info.model === "string" ? info.model : "";
    const digest = typeof limnet.model === "string" ? limnet.model : this.#settings.modelDigest;
    return segmentsOfFile({
      path, labelInfo: info.label_info, names: namesOf(result.label_names, info.label), codes: this.#settings.codes,
      algorithm: this.#algorithm(model, limnet),
      model: { name: model.startsWith("limnet") || model === "" ? "LIM-Net" : model, digest: digest ?? "" },
      owner: seriesInstanceUid === "" ? undefined : { seriesInstanceUid, user: readerOf(info) },
    }, grid);
  }

  making({ info }: Pick<SavedLabel, "info">): Making {
    return { version: this.#settings.version, time: new Date(), reader: readerOf(info), seriesDescription: "limnet segmentation" };
  }

  /** Without a model a person drew alone; a model that is worked by clicks, and any that was clicked, had a person's help. */
  #algorithm(model: string, limnet: Readonly<Record<string, unknown>>): AlgorithmType {
    if (model === "") return "MANUAL";
    return this.#settings.clicked.includes(model) || Number(limnet.round) > 0 ? "SEMIAUTOMATIC" : "AUTOMATIC";
  }
}

/** Who made a label: the one who logged in, else the one whom the client names. */
function readerOf(info: SavedLabel["info"]): string {
  return [info.user, info.client_id].find((name): name is string => typeof name === "string" && name !== "") ?? "";
}

/** Names by voxel value: `label_names` is an array or a map (protocol 2.3), `label` the one object that was clicked. */
function namesOf(labelNames: unknown, label: unknown): Record<number, string> {
  const names: Record<number, string> = {};
  if (Array.isArray(labelNames)) labelNames.forEach((name, at) => { if (typeof name === "string") names[at + 1] = name; });
  else for (const [name, value] of Object.entries(object(labelNames))) if (Number.isInteger(value) && Number(value) > 0) names[Number(value)] = name;
  if (typeof label === "string" && label !== "") names[1] ??= label;
  return names;
}

const object = (value: unknown): Readonly<Record<string, unknown>> => (typeof value === "object" && value !== null && !Array.isArray(value) ? value as Record<string, unknown> : {});

/** The error of a request for DICOM about an image that is none. */
export function noSource(): LimnetError {
  return new LimnetError("unsupported_output", "DICOM SEG format is not supported in a non-DICOM datastore: the image is no DICOM series, so there is nothing that the object could refer to. Ask for output=image, or for format=seg.nrrd, nrrd or nii.gz.");
}
