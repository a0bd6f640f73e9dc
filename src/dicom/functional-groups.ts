/** Frames of an enhanced multi-frame object (PS3.3, C.7.6.16): what a frame does not say, the shared groups say. */
import { badVolume } from "../imaging/volume.js";
import { type Dataset, joined, number, text, vector } from "./dataset.js";
import { type Frame, splitDirections } from "./instance.js";
import type { Keyword } from "./tags.js";
import type { Vec3 } from "../imaging/affine.js";

/**
 * One entry per frame; undefined for an object without per-frame functional groups.
 * @throws LimnetError bad_volume where there are fewer groups than frames
 */
export function enhancedFrames(dataset: Dataset, count: number): Frame[] | undefined {
  const groups = dataset.items("PerFrameFunctionalGroupsSequence");
  if (groups.length === 0) return undefined;
  if (groups.length !== count) {
    throw badVolume(`The DICOM image says it has ${count} frames but describes ${groups.length}. It is damaged: export it again.`);
  }
  const shared = dataset.items("SharedFunctionalGroupsSequence").at(0);
  const imageType = dataset.texts("ImageType");
  return groups.map((own, at) => {
    const item = (keyword: Keyword) => own.items(keyword).at(0) ?? shared?.items(keyword).at(0);
    return frame(at + 1, item, imageType, text(dataset, "Modality"));
  });
}

function frame(position: number, item: (keyword: Keyword) => Dataset | undefined, imageType: string[], modality: string): Frame {
  const within = <T>(sequence: Keyword, read: (dataset: Dataset) => T): T | undefined => {
    const found = item(sequence);
    return found && read(found);
  };
  const trait = (name: string, sequence: Keyword, keyword: Keyword) => {
    const value = within(sequence, (found) => joined(found, keyword)) ?? "";
    return value === "" ? {} : { [name]: value };
  };
  const directions = within("PlaneOrientationSequence", (found) => vector(found, "ImageOrientationPatient", 6));
  const spacing = within("PixelMeasuresSequence", (found) => vector(found, "PixelSpacing", 2));
  const gradient = within("MRDiffusionSequence", (found) => found.items("DiffusionGradientDirectionSequence").at(0));
  const frameType = frameTypes.map((sequence) => within(sequence, (found) => joined(found, "FrameType"))).find(Boolean) ?? imageType.join("\\");
  return {
    number: position,
    position: (within("PlanePositionSequence", (found) => vector(found, "ImagePositionPatient", 3)) as Vec3 | undefined) ?? null,
    orientation: directions ? splitDirections(directions) : null,
    pixelSpacing: spacing ? [spacing[0], spacing[1]] : null,
    thickness: within("PixelMeasuresSequence", (found) => number(found, "SpacingBetweenSlices") || number(found, "SliceThickness")) || null,
    rescale: {
      slope: within("PixelValueTransformationSequence", (found) => number(found, "RescaleSlope")) ?? 1,
      intercept: within("PixelValueTransformationSequence", (found) => number(found, "RescaleIntercept")) ?? 0,
    },
    units: (within("PixelValueTransformationSequence", (found) => text(found, "RescaleType")) || (modality === "CT" ? "HU" : "")).replace(/^US$/, ""),
    localizer: frameType.includes("LOCALIZER"),
    traits: {
      ...trait("stack", "FrameContentSequence", "StackID"),
      ...trait("acquisition", "FrameContentSequence", "FrameAcquisitionNumber"),
      ...trait("temporal position", "FrameContentSequence", "TemporalPositionIndex"),
      ...trait("echo time", "MREchoSequence", "EffectiveEchoTime"),
      "image type": frameType,
      ...trait("b-value", "MRDiffusionSequence", "DiffusionBValue"),
      ...(gradient ? { gradient: gradient.numbers("DiffusionGradientOrientation").join("\\") } : {}),
      ...trait("cardiac delay", "CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),
      ...trait("acquisition time", "FrameContentSequence", "FrameAcquisitionDateTime"),
    },
  };
}

const frameTypes = ["MRImageFrameTypeSequence", "CTImageFrameTypeSequence", "PETFrameTypeSequence"] as const;
