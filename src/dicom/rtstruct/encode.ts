/** Writes an RT Structure Set (PS3.3 A.19): closed planar contours in patient millimetres, one ROI an object. */
import { LimnetError } from "../../errors.js";
import { lpsFrame } from "../../imaging/geometry.js";
import { type Code } from "../seg/codes.js";
import { elementHeader, elementWriter, item } from "../seg/elements.js";
import { slicePosition } from "../seg/groups.js";
import { creatorName, frameOfReference, type LabelSource, type Making, newObject, patientAndStudy, referencedInstances } from "../seg/modules.js";
import { part10 } from "../seg/part10.js";
import { colorOf, type Segment } from "../seg/segments.js";
import { decimal, text } from "../seg/values.js";
import { joinHoles } from "./keyhole.js";
import { trace } from "./outline.js";

export const structureSetStorage = "1.2.840.10008.5.1.4.1.1.481.3";
/** The retired class that a reference to a study names (PS3.3 C.8.8.5). */
const studyClass = "1.2.840.10008.3.1.2.3.1";

/** Implicit types: the points of one contour may need more than the 65534 bytes that an explicit decimal string holds. */
const { text: line, sequence } = elementWriter(true);

/**
 * A Part 10 file of the outlines of `segments` on every slice of `source`. The same input, time and UIDs give the same bytes.
 * @throws LimnetError bad_params when nothing is segmented
 */
export function encodeRtstruct(source: LabelSource, segments: readonly Segment[], making: Making): Buffer {
  const contours = segments.map((segment) => contoursOf(source, segment));
  if (contours.every(({ length }) => length === 0)) throw new LimnetError("bad_params", "The label is empty: there is no voxel to write as an RT structure set. Click or draw something first.");
  const common = newObject("RTSTRUCT", structureSetStorage, making);
  const frame = String(frameOfReference(source).FrameOfReferenceUID);
  const attributes = {
    ...patientAndStudy(source),
    ...common,
    ...frameOfReference(source),
    OperatorsName: creatorName(making),
    StructureSetLabel: text(segments.map(({ name }) => name).join(", "), 16) || "limnet",
    StructureSetDescription: "Outlines halfway between pixel centres; holes are joined to their outline by a keyhole.",
    StructureSetDate: common.SeriesDate,
    StructureSetTime: common.SeriesTime,
    ReferencedFrameOfReferenceSequence: [{
      FrameOfReferenceUID: frame,
      RTReferencedStudySequence: [{
        ReferencedSOPClassUID: studyClass, ReferencedSOPInstanceUID: source.info.studyInstanceUid,
        RTReferencedSeriesSequence: [{ SeriesInstanceUID: source.info.seriesInstanceUid, ContourImageSequence: referencedInstances(source) }],
      }],
    }],
    StructureSetROISequence: segments.map(({ name, description, algorithm }, at) => ({
      ROINumber: String(at + 1),
      ReferencedFrameOfReferenceUID: frame,
      ROIName: text(name) || `ROI ${at + 1}`,
      ...(description ? { ROIDescription: text(description, 1024) } : {}),
      ROIGenerationAlgorithm: algorithm,
    })),
  };
  const rois = contours.map((items, at) => item([
    line(0x3006002a, "IS", colorOf(segments[at], at).join("\\")),
    // Absent for an object without a voxel: a sequence must not be empty here.
    ...(items.length > 0 ? [Buffer.concat([elementHeader(0x30060040, "SQ", items.reduce((sum, { length }) => sum + length, 0), true), ...items])] : []),
    line(0x30060084, "IS", String(at + 1)),
  ]));
  const contourSequence = [elementHeader(0x30060039, "SQ", rois.reduce((sum, { length }) => sum + length, 0), true), ...rois];
  return part10(attributes, [...contourSequence, observations(segments)], true);
}

/** Items of the Contour Sequence of one object. */
function contoursOf(source: LabelSource, { labels, value }: Segment): Buffer[] {
  const [cols, rows, count] = source.shape;
  const { steps: [u, v] } = lpsFrame(source.geometry);
  const plane = new Uint8Array(cols * rows);
  const items: Buffer[] = [];
  for (let k = 0; k < count; k++) {
    let any = false;
    for (let at = 0, from = k * plane.length; at < plane.length; at++) {
      plane[at] = labels[from + at] === value ? 1 : 0;
      any ||= plane[at] === 1;
    }
    if (!any) continue;
    const origin = slicePosition(source, k);
    // A tenth of a micrometre: shorter than the digits of a position in the source.
    const place = ([x, y]: readonly [number, number]) => origin.map((start, axis) => decimal(Number((start + (x / 2) * u[axis] + (y / 2) * v[axis]).toFixed(4)))).join("\\");
    const { sopClassUid, sopInstanceUid, frame, multiFrame } = source.slices[k];
    const image = sequence(0x30060016, [[
      line(0x00081150, "UI", sopClassUid), line(0x00081155, "UI", sopInstanceUid), ...(multiFrame ? [line(0x00081160, "IS", String(frame))] : []),
    ]]);
    for (const polygon of joinHoles(trace(plane, cols, rows))) {
      items.push(item([
        image,
        line(0x30060042, "CS", "CLOSED_PLANAR"),
        line(0x30060046, "IS", String(polygon.length)),
        line(0x30060048, "IS", String(items.length + 1)),
        line(0x30060050, "DS", polygon.map(place).join("\\")),
      ]));
    }
  }
  return items;
}

/** What each ROI is (PS3.3 C.8.8.8), by the codes of the label. */
function observations(segments: readonly Segment[]): Buffer {
  const code = ({ value, scheme, meaning }: Code) => [line(0x00080100, "SH", value), line(0x00080102, "SH", scheme), line(0x00080104, "LO", meaning)];
  return sequence(0x30060080, segments.map(({ name, coding }, at) => [
    line(0x30060082, "IS", String(at + 1)),
    line(0x30060084, "IS", String(at + 1)),
    line(0x30060085, "SH", text(name, 16)),
    sequence(0x30060086, [[...code(coding.type), ...(coding.modifier ? [sequence(0x00620011, [code(coding.modifier)])] : [])]]),
    line(0x300600a4, "CS", coding.category.value === "123037004" ? "ORGAN" : ""),
    line(0x300600a6, "PN", ""),
  ]));
}
