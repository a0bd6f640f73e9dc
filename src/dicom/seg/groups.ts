/** Functional groups of a segmentation (PS3.3 A.51.5): what all frames share, and what each frame is of. */
import { lpsFrame, spacing } from "../../imaging/geometry.js";
import { norm } from "../../imaging/affine.js";
import type { Code } from "./codes.js";
import { elementWriter, item } from "./elements.js";
import type { FramePlace } from "./frames.js";
import type { Attributes, LabelSource } from "./modules.js";
import { decimal } from "./values.js";

const segmentation: Code = { value: "113076", scheme: "DCM", meaning: "Segmentation" };
const sourceImage: Code = { value: "121322", scheme: "DCM", meaning: "Source image for image processing operation" };

/** Orientation of the slices and size of the pixels, as every frame has them (PS3.3 C.7.6.16.2.1 and .4). */
export function sharedGroups(source: LabelSource): Attributes {
  const { steps } = lpsFrame(source.geometry);
  const [columnStep, rowStep] = spacing(source.geometry);
  const unit = (v: readonly [number, number, number]) => v.map((part) => decimal(part / norm(v)));
  const between = sliceDistance(source);
  const thickness = Number(source.attributes.SliceThickness) || between;
  return {
    SharedFunctionalGroupsSequence: [{
      PlaneOrientationSequence: [{ ImageOrientationPatient: [...unit(steps[0]), ...unit(steps[1])] }],
      PixelMeasuresSequence: [{
        // Row spacing, which is the step down a column, comes first (PS3.3 10.7.1.3).
        PixelSpacing: [decimal(rowStep), decimal(columnStep)],
        SliceThickness: decimal(thickness),
        // Said only where it is true of every pair: a reader may build the volume from it.
        ...(source.info.even && source.slices.length > 1 ? { SpacingBetweenSlices: decimal(between) } : {}),
      }],
    }],
  };
}

/** Distance of neighbouring slices along their normal. */
function sliceDistance({ geometry }: LabelSource): number {
  const { steps: [u, v, w] } = lpsFrame(geometry);
  const normal = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
  const length = Math.hypot(...normal);
  // To a nanometre: the grid comes from decimal texts and should go back to them.
  return Number((Math.abs(normal[0] * w[0] + normal[1] * w[1] + normal[2] * w[2]) / length).toFixed(6));
}

/** Where the first pixel of slice k lies, LPS mm: the true place where it is known, else that of the grid. */
export function slicePosition({ slices, geometry }: LabelSource, k: number): [number, number, number] {
  const position = slices[k].position;
  if (position) return [position.left, position.posterior, position.superior];
  const { origin, steps } = lpsFrame(geometry);
  return [origin[0] + k * steps[2][0], origin[1] + k * steps[2][1], origin[2] + k * steps[2][2]];
}

/**
 * The Per-Frame Functional Groups Sequence as bytes: the image that each frame was made on (its frame number where that
 * is a multi-frame), its dimension indices, its place, and its segment unless `labelMap`.
 */
export function perFrameGroups(source: LabelSource, frames: readonly FramePlace[], labelMap: boolean): Buffer {
  const { text, numbers, sequence } = elementWriter();
  const code = ({ value, scheme, meaning }: Code) => [text(0x00080100, "SH", value), text(0x00080102, "SH", scheme), text(0x00080104, "LO", meaning)];
  const used = [...new Set(frames.map(({ slice }) => slice))].sort((a, b) => a - b);
  /** Index of a slice among those that have frames, from 1. */
  const ordinal = new Map(used.map((slice, at) => [slice, at + 1]));
  const ofSlice = new Map(used.map((slice) => {
    const { sopClassUid, sopInstanceUid, frame, multiFrame } = source.slices[slice];
    const derivation = sequence(0x00089124, [[
      sequence(0x00082112, [[
        text(0x00081150, "UI", sopClassUid),
        text(0x00081155, "UI", sopInstanceUid),
        ...(multiFrame ? [text(0x00081160, "IS", String(frame))] : []),
        text(0x0028135a, "CS", "YES"),
        sequence(0x0040a170, [code(sourceImage)]),
      ]]),
      sequence(0x00089215, [code(segmentation)]),
    ]]);
    const place = slicePosition(source, slice).map(decimal).join("\\");
    return [slice, { derivation, position: sequence(0x00209113, [[text(0x00200032, "DS", place)]]) }];
  }));
  const groups = frames.map(({ segment, slice }) => {
    const { derivation, position } = ofSlice.get(slice) as { derivation: Buffer; position: Buffer };
    const index = ordinal.get(slice) as number;
    const content = sequence(0x00209111, [[numbers(0x00209157, "UL", labelMap ? [index] : [segment + 1, index])]]);
    const identity = labelMap ? [] : [sequence(0x0062000a, [[numbers(0x0062000b, "US", [segment + 1])]])];
    return item([derivation, content, position, ...identity]);
  });
  return Buffer.concat(groups);
}

/** The dimensions that order the frames (PS3.3 C.7.6.17): segment, then place. */
export function dimensions(organizationUid: string, labelMap: boolean): Attributes {
  const index = (pointer: number, group: number, label: string) => ({
    DimensionOrganizationUID: organizationUid, DimensionIndexPointer: pointer, FunctionalGroupPointer: group, DimensionDescriptionLabel: label,
  });
  return {
    DimensionOrganizationSequence: [{ DimensionOrganizationUID: organizationUid }],
    DimensionIndexSequence: [
      ...(labelMap ? [] : [index(0x0062000b, 0x0062000a, "ReferencedSegmentNumber")]),
      index(0x00200032, 0x00209113, "ImagePositionPatient"),
    ],
  };
}

