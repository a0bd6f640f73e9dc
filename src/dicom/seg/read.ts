/**
 * Reads a DICOM Segmentation of any maker: BINARY, FRACTIONAL or LABELMAP, frames in any order, on all slices or some, packed or
 * compressed (PS3.3 A.51, C.8.20). What comes out are masks on the grid of the image.
 */
import type { Grid } from "../../imaging/align.js";
import { badVolume } from "../../imaging/volume.js";
import { LocalDecoder } from "../codecs/decode.js";
import { type Dataset, number, text } from "../dataset.js";
import { type Instance, parseInstance } from "../instance.js";
import { parsePart10 } from "../part10.js";
import { transferSyntax } from "../transfer-syntax.js";
import type { FrameDecoder, SourceSlice } from "../types.js";
import type { Code, Coding } from "./codes.js";
import { planeMap } from "./plane-map.js";
import type { AlgorithmType, Segment } from "./segments.js";
import { rgbOf } from "./values.js";

/** Grid of the image that the segmentation is laid on; true places of its slices where they are known. */
export interface SegGrid extends Grid {
  readonly slices?: readonly Pick<SourceSlice, "position">[];
  readonly info?: { readonly frameOfReferenceUid: string };
}

/** What a segmentation says of an object. */
export interface SegObject {
  readonly number: number;
  readonly name: string;
  readonly coding: Coding;
  readonly algorithm: AlgorithmType;
  readonly color?: readonly [number, number, number];
  readonly tracking?: { readonly id: string; readonly uid: string };
}

interface FrameOf {
  /** From 1. */
  readonly frame: number;
  /** Segment of the frame; null in a label map, whose values are the segments. */
  readonly segment: number | null;
}

export class DicomSeg {
  readonly objects: readonly SegObject[];
  readonly kind: "BINARY" | "FRACTIONAL" | "LABELMAP";
  /** Series that it says it was made on. */
  readonly sources: readonly string[];
  readonly #instance: Instance;
  readonly #frames: readonly FrameOf[];
  readonly #pixels: (frame: number) => Promise<Uint8Array | Uint16Array>;

  constructor(instance: Instance, pixels: (frame: number) => Promise<Uint8Array | Uint16Array>) {
    const { dataset } = instance;
    this.#instance = instance;
    this.#pixels = pixels;
    this.kind = kindOf(dataset);
    this.objects = dataset.items("SegmentSequence").map(objectOf).filter(({ number }) => number > 0);
    this.sources = dataset.items("ReferencedSeriesSequence").map((item) => text(item, "SeriesInstanceUID")).filter(Boolean);
    const shared = dataset.items("SharedFunctionalGroupsSequence").at(0);
    const groups = dataset.items("PerFrameFunctionalGroupsSequence");
    this.#frames = instance.frames.map((_, at) => {
      if (this.kind === "LABELMAP") return { frame: at + 1, segment: null };
      const [identity] = [groups[at], shared].flatMap((group) => group?.items("SegmentIdentificationSequence") ?? []);
      return { frame: at + 1, segment: (identity && number(identity, "ReferencedSegmentNumber")) ?? (this.objects.length === 1 ? this.objects[0].number : 0) };
    });
  }

  /**
   * Voxels of one object, 0 and 1, on `grid`.
   * @throws LimnetError bad_volume where the frames do not lie on the slices of the grid, or are damaged
   */
  async mask(object: number, grid: SegGrid): Promise<Uint8Array> {
    const out = new Uint8Array(grid.shape[0] * grid.shape[1] * grid.shape[2]);
    await this.#fill(grid, ({ segment }) => segment === null || segment === object, (at, value, segment) => {
      if (segment === null ? value === object : value === 1) out[at] = 1;
    });
    return out;
  }

  /** All objects with their voxels; they share one label map unless they overlap. Throws as mask. */
  async segments(grid: SegGrid): Promise<Segment[]> {
    const [{ length }, most] = [{ length: grid.shape[0] * grid.shape[1] * grid.shape[2] }, Math.max(0, ...this.objects.map(({ number }) => number))];
    const map = most < 256 ? new Uint8Array(length) : new Uint16Array(length);
    let overlap = false;
    await this.#fill(grid, () => true, (at, value, segment) => {
      const object = segment ?? value;
      overlap ||= map[at] !== 0 && map[at] !== object;
      map[at] = object;
    });
    const segments: Segment[] = [];
    for (const { number, ...object } of this.objects) {
      segments.push(overlap ? { ...object, labels: await this.mask(number, grid), value: 1 } : { ...object, labels: map, value: number });
    }
    return segments;
  }

  /** Calls `set` for every voxel that is not background in a wanted frame. */
  async #fill(grid: SegGrid, wanted: (frame: FrameOf) => boolean, set: (at: number, value: number, segment: number | null) => void): Promise<void> {
    const { frames, frameOfReferenceUid, format } = this.#instance;
    const theirs = grid.info?.frameOfReferenceUid;
    if (theirs && frameOfReferenceUid && theirs !== frameOfReferenceUid) throw badVolume("The segmentation belongs to another frame of reference than the image: its places mean something else. Send the segmentation of this image.");
    const { rows, columns } = format!;
    let placed = 0;
    const chosen = this.#frames.filter(wanted);
    for (const { frame, segment } of chosen) {
      const map = planeMap(frames[frame - 1], rows, columns, grid);
      if (map === null) continue;
      placed++;
      const pixels = await this.#pixels(frame);
      for (let row = 0, from = 0; row < rows; row++) {
        let [x, y] = [map.origin[0] + row * map.down[0], map.origin[1] + row * map.down[1]];
        for (let column = 0; column < columns; column++, from++, x += map.right[0], y += map.right[1]) {
          if (pixels[from] === 0 || x < 0 || y < 0 || x >= grid.shape[0] || y >= grid.shape[1]) continue;
          set(x + grid.shape[0] * (y + grid.shape[1] * map.slice), pixels[from], segment);
        }
      }
    }
    if (chosen.length > 0 && placed === 0) throw badVolume("No frame of the segmentation lies on a slice of the image. Send the segmentation of this image.");
  }
}

/**
 * Reads the bytes of a Part 10 file; `bytes` must not change while the segmentation is in use.
 * @throws LimnetError bad_volume where it is no segmentation, damaged or cut off; unsupported_transfer_syntax
 */
export async function readSeg(bytes: Uint8Array, decoder: FrameDecoder = new LocalDecoder()): Promise<DicomSeg> {
  const instance = await parseInstance(bytes);
  const { dataset, format, pixels } = instance;
  const kind = kindOf(dataset);
  if (!format || !pixels || format.samplesPerPixel !== 1) throw badVolume("The DICOM segmentation has no pixels that can be read. Export it again.");
  const area = format.rows * format.columns;
  const bit = format.bitsAllocated === 1;
  if (!bit && format.bitsAllocated !== 8 && format.bitsAllocated !== 16) throw badVolume(`The DICOM segmentation has ${format.bitsAllocated} bits a pixel; 1, 8 and 16 are read.`);
  const half = kind === "FRACTIONAL" ? (number(dataset, "MaximumFractionalValue") ?? 255) / 2 : 0;
  const packed = transferSyntax(pixels.transferSyntaxUid)?.packing === "native" ? await nativePixels(bytes, Math.ceil((instance.frames.length * area * format.bitsAllocated) / 8)) : null;
  return new DicomSeg(instance, async (frame) => {
    if (bit) {
      // Frames follow each other without padding (PS3.5 8.1.1), but compressed ones begin at a byte each.
      if (packed) return unpackBits(packed, (frame - 1) * area, area);
      const whole = { ...pixels.frame(frame), rows: 1, columns: Math.ceil(area / 8), bitsAllocated: 8, bitsStored: 8 };
      return unpackBits((await decoder.decode(whole)).bytes, 0, area);
    }
    const decoded = await decoder.decode(pixels.frame(frame));
    const values = decoded.bitsAllocated === 16 ? words(decoded.bytes, area) : decoded.bytes.subarray(0, area);
    return kind === "FRACTIONAL" ? Uint8Array.from(values, (value) => (value >= half && value > 0 ? 1 : 0)) : values;
  });
}

function kindOf(dataset: Dataset): DicomSeg["kind"] {
  const kind = text(dataset, "SegmentationType");
  if (kind === "BINARY" || kind === "FRACTIONAL" || kind === "LABELMAP") return kind;
  throw badVolume("The DICOM file is no segmentation (Modality SEG). Send a DICOM SEG, NRRD or NIfTI.");
}

async function nativePixels(bytes: Uint8Array, wanted: number): Promise<Uint8Array> {
  const { data } = await parsePart10(bytes);
  const element = data.elements.x7fe00010;
  if (!element || element.length < wanted) throw badVolume("The DICOM segmentation ends before its last frame. It was cut off on the way: send the whole file.");
  return data.byteArray.subarray(element.dataOffset, element.dataOffset + element.length);
}

function unpackBits(bytes: Uint8Array, from: number, count: number): Uint8Array {
  const out = new Uint8Array(count);
  const start = Math.floor(from / 8);
  const offset = from - 8 * start;
  for (let at = 0; at < count; at++) {
    const bit = offset + at;
    out[at] = (bytes[start + (bit >> 3)] >> (bit & 7)) & 1;
  }
  return out;
}

function words(bytes: Uint8Array, count: number): Uint16Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Uint16Array.from({ length: count }, (_, at) => view.getUint16(2 * at, true));
}

const unnamed: Code = { value: "85756007", scheme: "SCT", meaning: "Tissue" };

function codeOf(item: Dataset | undefined): Code | undefined {
  if (!item) return undefined;
  const value = text(item, "CodeValue") || text(item, "LongCodeValue");
  return value === "" ? undefined : { value, scheme: text(item, "CodingSchemeDesignator"), meaning: text(item, "CodeMeaning") };
}

function objectOf(item: Dataset): SegObject {
  const segment = number(item, "SegmentNumber") ?? 0;
  const [type, region] = [item.items("SegmentedPropertyTypeCodeSequence").at(0), item.items("AnatomicRegionSequence").at(0)];
  const lab = item.numbers("RecommendedDisplayCIELabValue");
  const [id, uid, algorithm] = [text(item, "TrackingID"), text(item, "TrackingUID"), text(item, "SegmentAlgorithmType")];
  return {
    number: segment,
    name: text(item, "SegmentLabel") || codeOf(type)?.meaning || `Segment ${segment}`,
    coding: {
      category: codeOf(item.items("SegmentedPropertyCategoryCodeSequence").at(0)) ?? unnamed,
      type: codeOf(type) ?? unnamed,
      modifier: codeOf(type?.items("SegmentedPropertyTypeModifierCodeSequence").at(0)),
      region: codeOf(region),
      regionModifier: codeOf(region?.items("AnatomicRegionModifierSequence").at(0)),
    },
    algorithm: algorithm === "MANUAL" || algorithm === "AUTOMATIC" ? algorithm : "SEMIAUTOMATIC",
    color: lab.length === 3 ? rgbOf(lab) : undefined,
    tracking: id !== "" && uid !== "" ? { id, uid } : undefined,
  };
}
