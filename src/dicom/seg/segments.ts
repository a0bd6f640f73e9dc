/** The objects of a label as a Segment Sequence (PS3.3 C.8.20.2, Table C.8.20-4). */
import { type Code, codeItem, type Coding } from "./codes.js";
import type { Attributes } from "./modules.js";
import { cieLab, text, uidOf } from "./values.js";

/** How the object came to be: a person clicked and the model drew; the model alone; a person alone. */
export type AlgorithmType = "SEMIAUTOMATIC" | "AUTOMATIC" | "MANUAL";

export interface Segment {
  readonly name: string;
  readonly coding: Coding;
  readonly algorithm: AlgorithmType;
  /** The model that drew, and the digest of its networks; not used for MANUAL. */
  readonly model?: { readonly name: string; readonly digest: string };
  readonly description?: string;
  /** The same object in a later round or a later study keeps its tracking id. Default: one of series and name. */
  readonly tracking?: { readonly id: string; readonly uid: string };
  /** Colour for viewers, sRGB 0 to 255; the coding's, else one of a fixed series. */
  readonly color?: readonly [number, number, number];
  /** The object: voxels of `labels` (grid of the source, i fastest) that are `value`. Segments may share `labels`, or overlap. */
  readonly labels: Uint8Array | Uint16Array;
  readonly value: number;
  /** Its place among the segments that its file names, from 1; absent where the file names none. */
  readonly number?: number;
}

/** Distinct colours for objects that nobody gave one. */
const palette = [
  [128, 174, 128], [241, 214, 145], [177, 122, 101], [111, 184, 210], [216, 101, 79], [221, 130, 101], [144, 238, 144], [192, 104, 88], [220, 245, 20], [78, 63, 0],
] as const;

export const colorOf = ({ color, coding }: Segment, at: number): readonly [number, number, number] => color ?? coding.color ?? palette[at % palette.length];

/** (123110, DCM, "Artificial Intelligence"), CID 7162. */
const artificialIntelligence: Code = { value: "123110", scheme: "DCM", meaning: "Artificial Intelligence" };

/** The item of one segment. `seriesInstanceUid`: of the source, for the tracking id. */
export function segmentItem(segment: Segment, number: number, seriesInstanceUid: string): Attributes {
  const { name, coding, algorithm, model, description } = segment;
  const label = text(name) || `Segment ${number}`;
  const tracking = segment.tracking ?? { id: label, uid: uidOf("tracking", seriesInstanceUid, name) };
  return {
    SegmentNumber: number,
    SegmentLabel: label,
    ...(description ? { SegmentDescription: text(description, 1024) } : {}),
    SegmentAlgorithmType: algorithm,
    ...(algorithm === "MANUAL" ? {} : {
      SegmentAlgorithmName: text(model?.name ?? "limnet"),
      SegmentationAlgorithmIdentificationSequence: [{
        AlgorithmFamilyCodeSequence: [codeItem(artificialIntelligence)],
        AlgorithmName: text(model?.name ?? "limnet"),
        // 64 characters are just the hexadecimal digits of a SHA-256.
        AlgorithmVersion: text(model?.digest || "unknown"),
        AlgorithmSource: "limnet",
      }],
    }),
    SegmentedPropertyCategoryCodeSequence: [codeItem(coding.category)],
    SegmentedPropertyTypeCodeSequence: [{
      ...codeItem(coding.type),
      ...(coding.modifier ? { SegmentedPropertyTypeModifierCodeSequence: [codeItem(coding.modifier)] } : {}),
    }],
    ...(coding.region ? {
      AnatomicRegionSequence: [{
        ...codeItem(coding.region),
        ...(coding.regionModifier ? { AnatomicRegionModifierSequence: [codeItem(coding.regionModifier)] } : {}),
      }],
    } : {}),
    TrackingID: text(tracking.id, 1024),
    TrackingUID: tracking.uid,
    RecommendedDisplayCIELabValue: cieLab(colorOf(segment, number - 1)),
  };
}
