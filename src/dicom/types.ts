/**
 * What a DICOM series becomes: volumes, where each slice came from, and what a person should know about them.
 *
 * series.ts: `readSeries(instances: Iterable<Uint8Array> | AsyncIterable<Uint8Array>, options): Promise<Series>`.
 * plan.ts: `planSeries(instances: Instance[])`, from Part 10 bytes (`parseInstance`) or DICOM JSON metadata
 * (`instanceFromJson`): which slice goes where, before any pixel is there.
 * assembler.ts: `new SeriesAssembler(options)`, `add(bytes): Promise<ArrivedSlice[]>` as instances come, `finish(): Promise<Series>`.
 */
import type { LpsPoint } from "../imaging/geometry.js";
import type { ReadLimits, Volume } from "../imaging/volume.js";

/** The frame of an instance that a slice was made of. */
export interface SourceSlice {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  /** From 1; always 1 for an instance that is no multi-frame. */
  readonly frame: number;
  /** Whether the instance is a multi-frame: references to it then name the frame. */
  readonly multiFrame: boolean;
  readonly instanceNumber: number | null;
  /** Where the centre of the slice's first pixel truly lies, LPS millimetres; null where the series has no place in space. */
  readonly position: LpsPoint | null;
}

/** Slices that seem to be missing: after slice `after` (k, from 0) there is room for `missing` more. */
export interface Gap {
  readonly after: number;
  readonly missing: number;
}

export interface VolumeInfo {
  readonly seriesInstanceUid: string;
  readonly studyInstanceUid: string;
  /** Frame of Reference UID; "" where the series has none. */
  readonly frameOfReferenceUid: string;
  readonly modality: string;
  /** False where the images say nothing of their place (ultrasound, photographs): the grid then starts at the origin. */
  readonly placed: boolean;
  /** True where every slice lies where the grid of the volume says, to a twentieth of a slice step. */
  readonly even: boolean;
  /** Furthest distance in millimetres of a slice's true place from its place on the grid. */
  readonly deviationMm: number;
  readonly gaps: readonly Gap[];
  /** Angle between the direction of stacking and the normal of the slices, degrees: the gantry tilt of a CT. */
  readonly tiltDegrees: number;
  /** What the values are: "HU", "BQML", "SUVbw" …; "" where the images do not say. */
  readonly units: string;
  /** True where low stored values were bright (MONOCHROME1) and the values were turned round. */
  readonly inverted: boolean;
  /** Everything that is out of the ordinary, in sentences for a person; empty for an ordinary series. */
  readonly notes: readonly string[];
}

/**
 * One volume of a series. Slice k lies across the normal (cross product of row and column direction, LPS), ascending,
 * whatever the order of files, instance numbers or frames; i runs along a row, j down a column. Voxels are real values
 * with slope 1 and intercept 0, or stored values with the volume's slope and intercept (realVoxels gives the former).
 */
export interface SeriesVolume {
  readonly volume: Volume;
  readonly info: VolumeInfo;
  /** Slice k of the volume was made of slices[k]. */
  readonly slices: readonly SourceSlice[];
  /**
   * Patient, study, series and equipment attributes of the first slice's instance, by DICOM keyword ("PatientName",
   * "StudyDate" …), decoded from the character set of the file; several values stay joined by a backslash.
   */
  readonly attributes: Readonly<Record<string, string>>;
}

/** An instance that is in no volume, and why. */
export interface SkippedInstance {
  /** "" where the bytes were no DICOM at all. */
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  readonly reason: string;
}

/** A series as it was read. */
export interface Series {
  /** Never empty. The first is the one that counts as the image of the series: most slices, localisers last. */
  readonly volumes: readonly SeriesVolume[];
  readonly skipped: readonly SkippedInstance[];
}

/** Where slice k of a planned volume will come from, known before its pixels. */
export interface PlannedVolume extends Omit<SeriesVolume, "volume"> {
  readonly shape: Volume["shape"];
  readonly geometry: Volume["geometry"];
}

/** A slice whose pixels have come while others are still on their way. */
export interface ArrivedSlice {
  readonly source: SourceSlice;
  /** One slice (nk = 1) in its true place, with real values; made when it is asked for. */
  volume(): Promise<Volume>;
}

export interface DicomOptions extends ReadLimits {
  /** PET as standardised uptake values by body weight, where the series says enough for it; false when not given. */
  readonly suv?: boolean;
  /** Only the first volume is filled; the others are still counted in its notes. */
  readonly onlyFirst?: boolean;
  /** Decodes compressed pixels; without one, they are decoded on the calling thread. */
  readonly decoder?: FrameDecoder;
  readonly signal?: AbortSignal;
}

/** The pixels of one frame as they lie in the file, and what the header says about them. */
export interface EncodedFrame {
  readonly transferSyntaxUid: string;
  readonly bytes: Uint8Array;
  readonly rows: number;
  readonly columns: number;
  readonly samplesPerPixel: number;
  readonly bitsAllocated: number;
  readonly bitsStored: number;
  readonly signed: boolean;
  /** 0: RGBRGB …, 1: plane after plane. */
  readonly planar: boolean;
}

/** Samples of a frame in native form (PS3.5, 8.1): little-endian, `bitsAllocated` each, rows * columns * samplesPerPixel. */
export interface DecodedFrame {
  readonly bytes: Uint8Array;
  readonly bitsAllocated: number;
  readonly planar: boolean;
  /** The codec turned the colours into RGB, whatever the header says. */
  readonly rgb: boolean;
}

export interface FrameDecoder {
  /** @throws LimnetError bad_volume where the frame is damaged, or its syntax has no decoder here; out_of_memory */
  decode(frame: EncodedFrame, signal?: AbortSignal): Promise<DecodedFrame>;
  close(): Promise<void>;
}
