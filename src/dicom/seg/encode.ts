/** Writes a DICOM Segmentation (PS3.3 A.51) or a Label Map Segmentation (the same IOD with SegmentationType LABELMAP). */
import { LimnetError } from "../../errors.js";
import { codeItem, localScheme } from "./codes.js";
import { elementHeader } from "./elements.js";
import { type FramePlace, packBits, packNumbers, placeFrames } from "./frames.js";
import { dimensions, perFrameGroups, sharedGroups } from "./groups.js";
import { type Attributes, creatorName, frameOfReference, type LabelSource, type Making, newObject, patientAndStudy, referencedInstances } from "./modules.js";
import { part10 } from "./part10.js";
import { type Segment, segmentItem } from "./segments.js";
import { uidOf } from "./values.js";

export const segmentationStorage = "1.2.840.10008.5.1.4.1.1.66.4";
export const labelMapStorage = "1.2.840.10008.5.1.4.1.1.66.7";

export interface SegOptions extends Making {
  /**
   * "binary": one bit a voxel and a frame per segment and slice, which every viewer reads; segments may overlap.
   * "labelmap": one number a voxel, smaller, read by newer programs; segments must not overlap. Default "binary".
   */
  readonly kind?: "binary" | "labelmap";
  /** Also writes frames of slices where a segment is not; false when not given. */
  readonly keepEmptyFrames?: boolean;
}

/**
 * A Part 10 file of `segments` (at least one, numbered from 1 in their order) on the grid of `source`. The same input, time
 * and UIDs give the same bytes. A segment without a voxel is written without frames.
 * @throws LimnetError bad_params when nothing is segmented, or segments overlap in a label map
 */
export function encodeSeg(source: LabelSource, segments: readonly Segment[], options: SegOptions): Buffer {
  const labelMap = options.kind === "labelmap";
  const { frames, overlap } = placeFrames(segments, source.shape, options.keepEmptyFrames);
  if (frames.length === 0) throw new LimnetError("bad_params", "The label is empty: there is no voxel to write as a DICOM segmentation. Click or draw something first.");
  if (labelMap && overlap) throw new LimnetError("bad_params", "Objects overlap, which a label map cannot hold. Write them as a binary segmentation, or each as a label map of its own.");
  const places: FramePlace[] = labelMap ? [...new Set(frames.map(({ slice }) => slice))].sort((a, b) => a - b).map((slice) => ({ segment: 0, slice })) : frames;
  const attributes = header(source, segments, options, { labelMap, overlap, frames: places.length });
  const groups = perFrameGroups(source, places, labelMap);
  const pixels = labelMap ? packNumbers(segments, source.shape, places.map(({ slice }) => slice)) : packBits(segments, source.shape, frames);
  // Bits may be OB; numbers of two bytes are OW (PS3.5 8.1.2).
  const pixelVr = labelMap && segments.length > 255 ? "OW" : "OB";
  return part10(attributes, [elementHeader(0x52009230, "SQ", groups.length), groups, elementHeader(0x7fe00010, pixelVr, pixels.length), pixels]);
}

function header(source: LabelSource, segments: readonly Segment[], options: SegOptions, { labelMap, overlap, frames }: { labelMap: boolean; overlap: boolean; frames: number }): Attributes {
  const { attributes, info, shape } = source;
  const common = newObject("SEG", labelMap ? labelMapStorage : segmentationStorage, options);
  const bits = labelMap ? (segments.length > 255 ? 16 : 8) : 1;
  const items = segments.map((segment, at) => segmentItem(segment, at + 1, info.seriesInstanceUid));
  return {
    ...patientAndStudy(source),
    ...common,
    ...frameOfReference(source),
    ContentDate: common.SeriesDate,
    ContentTime: common.SeriesTime,
    DeviceSerialNumber: "0",
    ...(attributes.BodyPartExamined ? { BodyPartExamined: attributes.BodyPartExamined } : {}),
    ...codingSchemes(segments),
    ContentLabel: "SEGMENTATION",
    ContentDescription: "",
    ContentCreatorName: creatorName(options),
    ImageType: ["DERIVED", "PRIMARY"],
    ReferencedSeriesSequence: [{ SeriesInstanceUID: info.seriesInstanceUid, ReferencedInstanceSequence: referencedInstances(source) }],
    ...dimensions(uidOf("dimensions", String(common.SOPInstanceUID)), labelMap),
    SamplesPerPixel: 1,
    PhotometricInterpretation: "MONOCHROME2",
    NumberOfFrames: String(frames),
    Rows: shape[1],
    Columns: shape[0],
    BitsAllocated: bits,
    BitsStored: bits,
    HighBit: bits - 1,
    PixelRepresentation: 0,
    ...lossy(attributes),
    SegmentationType: labelMap ? "LABELMAP" : "BINARY",
    SegmentsOverlap: overlap ? "YES" : "NO",
    ...(labelMap ? { PixelPaddingValue: 0, _vrMap: { PixelPaddingValue: "US" } } : {}),
    SegmentSequence: labelMap ? [background(), ...items] : items,
    ...sharedGroups(source),
  };
}

/** Who answers for codes that no public scheme has (PS3.3 C.12.1.1.1). */
function codingSchemes(segments: readonly Segment[]): Attributes {
  if (!segments.some(({ coding }) => coding.type.scheme === localScheme)) return {};
  return { CodingSchemeIdentificationSequence: [{ CodingSchemeDesignator: localScheme, CodingSchemeName: "Names of labels, as the reader wrote them", CodingSchemeResponsibleOrganization: "limnet" }] };
}

/** Lossy compression of the source is told of what was made from it (PS3.3 C.7.6.1.1.5). */
function lossy({ LossyImageCompression, LossyImageCompressionRatio, LossyImageCompressionMethod }: LabelSource["attributes"]): Attributes {
  if (LossyImageCompression !== "01") return { LossyImageCompression: "00" };
  return {
    LossyImageCompression: "01",
    ...(LossyImageCompressionRatio ? { LossyImageCompressionRatio: LossyImageCompressionRatio.split("\\") } : {}),
    ...(LossyImageCompressionMethod ? { LossyImageCompressionMethod: LossyImageCompressionMethod.split("\\") } : {}),
  };
}

/** In a label map, 0 is named too (PS3.3 C.8.20.2.3.3). */
function background(): Attributes {
  const code = codeItem({ value: "125040", scheme: "DCM", meaning: "Background" });
  return {
    SegmentNumber: 0, SegmentLabel: "Background", SegmentAlgorithmType: "MANUAL",
    SegmentedPropertyCategoryCodeSequence: [code], SegmentedPropertyTypeCodeSequence: [code],
  };
}
