/** One instance: what its header says about every frame, and where its pixels lie. */
import type { Vec3 } from "../imaging/affine.js";
import { badVolume } from "../imaging/volume.js";
import { type Dataset, joined, number, Part10Dataset, text, vector } from "./dataset.js";
import { enhancedFrames } from "./functional-groups.js";
import { type DicomJson, JsonDataset } from "./json.js";
import { keepHeader, parsePart10 } from "./part10.js";
import { findPixels, type PixelSource } from "./pixel-source.js";
import { describing } from "./tags.js";

/** What the bits of a stored sample mean (PS3.3, C.7.6.3). */
export interface PixelFormat {
  readonly rows: number;
  readonly columns: number;
  readonly samplesPerPixel: number;
  readonly photometric: string;
  readonly planar: boolean;
  readonly bitsAllocated: number;
  readonly bitsStored: number;
  readonly highBit: number;
  readonly signed: boolean;
}

export interface Rescale {
  readonly slope: number;
  readonly intercept: number;
}

/** One frame: a slice. */
export interface Frame {
  /** From 1. */
  readonly number: number;
  /** Centre of the first pixel, LPS millimetres. */
  readonly position: Vec3 | null;
  /** Directions along a row and down a column, LPS. */
  readonly orientation: readonly [Vec3, Vec3] | null;
  /** Millimetres between rows and between columns. */
  readonly pixelSpacing: readonly [number, number] | null;
  readonly thickness: number | null;
  readonly rescale: Rescale;
  readonly units: string;
  /** What may tell apart images of one place, in the order in which it is tried. */
  readonly traits: Readonly<Record<string, string>>;
  readonly localizer: boolean;
}

export interface Instance {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly studyInstanceUid: string;
  readonly frameOfReferenceUid: string;
  readonly modality: string;
  readonly instanceNumber: number | null;
  readonly multiFrame: boolean;
  readonly format: PixelFormat | null;
  readonly frames: readonly Frame[];
  /** As in SeriesVolume; one instance of a series is asked for them. */
  attributes(): Readonly<Record<string, string>>;
  readonly dataset: Dataset;
  /** Null where only metadata is known, or the object has no pixels. */
  readonly pixels: PixelSource | null;
}

/**
 * Reads one instance from the bytes of a DICOM file; `bytes` must not change while the instance is in use. Where they are `lent`, its
 * header goes into memory of its own, and they may change once nobody asks for its pixels any more.
 * @throws LimnetError bad_volume where the bytes are no DICOM, cut off, or contradict themselves
 */
export async function parseInstance(bytes: Uint8Array, { lent = false } = {}): Promise<Instance> {
  const { data, transferSyntaxUid, littleEndian } = await parsePart10(bytes);
  const dataset = new Part10Dataset(data, littleEndian);
  const instance = describe(dataset);
  const pixels = instance.format && findPixels(data, transferSyntaxUid, instance.format, instance.frames.length);
  if (lent) keepHeader(data);
  return { ...instance, pixels, frames: pixels ? instance.frames : [] };
}

/** The same from one instance of a series' DICOM JSON metadata; it has no pixels, but a plan can be made of it. */
export function instanceFromJson(json: DicomJson): Instance {
  return describe(new JsonDataset(json));
}

/** More frames than any scanner makes: what says more is damaged. */
const mostFrames = 100_000;

function describe(dataset: Dataset): Instance {
  const count = number(dataset, "NumberOfFrames");
  if (count !== undefined && !(Number.isInteger(count) && count >= 1 && count <= mostFrames)) {
    throw badVolume(`The DICOM image says it has ${count} frames; 1 to ${mostFrames} are read. Its header is damaged: export it again.`);
  }
  const format = readFormat(dataset);
  return {
    sopClassUid: text(dataset, "SOPClassUID"),
    sopInstanceUid: text(dataset, "SOPInstanceUID"),
    seriesInstanceUid: text(dataset, "SeriesInstanceUID"),
    studyInstanceUid: text(dataset, "StudyInstanceUID"),
    frameOfReferenceUid: text(dataset, "FrameOfReferenceUID"),
    modality: text(dataset, "Modality"),
    instanceNumber: number(dataset, "InstanceNumber") ?? null,
    multiFrame: count !== undefined && (count > 1 || dataset.has("PerFrameFunctionalGroupsSequence")),
    format,
    frames: format ? enhancedFrames(dataset, count ?? 1) ?? plainFrames(dataset, count ?? 1) : [],
    attributes: () => Object.fromEntries(describing.flatMap((keyword) => {
      const value = joined(dataset, keyword);
      return value === "" ? [] : [[keyword, value]];
    })),
    dataset,
    pixels: null,
  };
}

function readFormat(dataset: Dataset): PixelFormat | null {
  const [rows, columns, bitsAllocated] = [number(dataset, "Rows"), number(dataset, "Columns"), number(dataset, "BitsAllocated")];
  if (!rows || !columns || !bitsAllocated) return null;
  const bitsStored = number(dataset, "BitsStored") ?? bitsAllocated;
  return {
    rows, columns, bitsAllocated, bitsStored,
    samplesPerPixel: number(dataset, "SamplesPerPixel") ?? 1,
    photometric: text(dataset, "PhotometricInterpretation") || "MONOCHROME2",
    planar: number(dataset, "PlanarConfiguration") === 1,
    highBit: number(dataset, "HighBit") ?? bitsStored - 1,
    signed: number(dataset, "PixelRepresentation") === 1,
  };
}

/** Frames of an object without functional groups. Several frames have no place of their own. */
function plainFrames(dataset: Dataset, count: number): Frame[] {
  const directions = vector(dataset, "ImageOrientationPatient", 6);
  const imageType = dataset.texts("ImageType");
  const trait = (name: string, value: string) => (value === "" ? {} : { [name]: value });
  const frame: Omit<Frame, "number"> = {
    position: count === 1 ? ((vector(dataset, "ImagePositionPatient", 3) as Vec3 | undefined) ?? null) : null,
    orientation: directions && count === 1 ? splitDirections(directions) : null,
    pixelSpacing: pixelSpacing(dataset),
    thickness: number(dataset, "SpacingBetweenSlices") || number(dataset, "SliceThickness") || null,
    rescale: { slope: number(dataset, "RescaleSlope") ?? 1, intercept: number(dataset, "RescaleIntercept") ?? 0 },
    units: text(dataset, "Modality") === "PT" ? text(dataset, "Units") : text(dataset, "RescaleType") || (text(dataset, "Modality") === "CT" ? "HU" : ""),
    localizer: imageType.includes("LOCALIZER"),
    traits: {
      ...trait("acquisition", text(dataset, "AcquisitionNumber")),
      ...trait("temporal position", text(dataset, "TemporalPositionIdentifier")),
      ...trait("echo", text(dataset, "EchoNumbers")),
      ...trait("echo time", text(dataset, "EchoTime")),
      ...trait("image type", imageType.join("\\")),
      ...trait("b-value", text(dataset, "DiffusionBValue")),
      ...trait("gradient", joined(dataset, "DiffusionGradientOrientation")),
      ...trait("inversion time", text(dataset, "InversionTime")),
      ...trait("flip angle", text(dataset, "FlipAngle")),
      ...trait("trigger time", text(dataset, "TriggerTime")),
      ...trait("acquisition time", text(dataset, "AcquisitionTime")),
      ...trait("content time", text(dataset, "ContentTime")),
    },
  };
  return Array.from({ length: count }, (_, at) => ({ ...frame, number: at + 1 }));
}

export function splitDirections(v: readonly number[]): [Vec3, Vec3] {
  return [[v[0], v[1], v[2]], [v[3], v[4], v[5]]];
}

/** Where there is no Pixel Spacing: that of the detector (radiographs), or of a calibrated ultrasound region (centimetres). */
function pixelSpacing(dataset: Dataset): [number, number] | null {
  const stated = vector(dataset, "PixelSpacing", 2) ?? vector(dataset, "ImagerPixelSpacing", 2);
  if (stated) return [stated[0], stated[1]];
  const region = dataset.items("SequenceOfUltrasoundRegions").at(0);
  if (!region || number(region, "PhysicalUnitsXDirection") !== 3 || number(region, "PhysicalUnitsYDirection") !== 3) return null;
  const [x, y] = [number(region, "PhysicalDeltaX"), number(region, "PhysicalDeltaY")];
  return x && y ? [Math.abs(10 * y), Math.abs(10 * x)] : null;
}
