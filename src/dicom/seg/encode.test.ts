import dcmjs from "dcmjs";
import { describe, expect, it } from "vitest";
import { codingOf } from "./codes.js";
import { encodeSeg, type SegOptions } from "./encode.js";
import type { Segment } from "./segments.js";
import { fakeSeries } from "./testing.js";

const source = fakeSeries({ shape: [8, 6, 4] });
const labels = new Uint8Array(192);
labels.fill(1, 50, 60);
labels.fill(2, 150, 153);
const segment = (name: string, value: number, more: Partial<Segment> = {}): Segment => ({ name, coding: codingOf(name, {}), algorithm: "SEMIAUTOMATIC", labels, value, ...more });
const options: SegOptions = { version: "1.2.3", time: new Date(2026, 10, 24, 9, 5, 7), uids: { series: "2.25.7", instance: "2.25.8" } };

/** What dcmjs reads of the file. */
function read(bytes: Buffer): Record<string, any> { // eslint-disable-line @typescript-eslint/no-explicit-any -- free-form attributes
  const { DicomMessage, DicomMetaDictionary } = dcmjs.data;
  return DicomMetaDictionary.naturalizeDataset(DicomMessage.readFile(new Uint8Array(bytes).buffer).dict);
}

describe("a written segmentation", () => {
  it("is the same, byte for byte, for the same label, time and UIDs", () => {
    const segments = [segment("a", 1), segment("b", 2)];
    expect(encodeSeg(source, segments, options).equals(encodeSeg(source, segments, options))).toBe(true);
    const other = read(encodeSeg(source, segments, { ...options, uids: undefined }));
    expect(other.SOPInstanceUID).not.toBe("2.25.8");
    expect(other.SegmentSequence[0].TrackingUID).toBe(read(encodeSeg(source, segments, options)).SegmentSequence[0].TrackingUID);
  });

  it("says whose it is, who made it and of what", () => {
    const seg = read(encodeSeg(source, [segment("a", 1, { model: { name: "LIM-Net", digest: "ab".repeat(32) } })], { ...options, reader: "Grün" }));
    expect(seg).toMatchObject({
      SpecificCharacterSet: "ISO_IR 192", PatientID: "P1", StudyInstanceUID: "1.2.3.4", FrameOfReferenceUID: "1.2.3.4.9", Modality: "SEG", SegmentationType: "BINARY",
      SegmentsOverlap: "NO", ContentDate: "20261124", ContentTime: "090507", SoftwareVersions: "1.2.3",
    });
    expect(seg.PatientName[0].Alphabetic).toBe("Muster^Änne");
    expect(seg.ContentCreatorName[0].Alphabetic).toBe("Grün^");
    expect(seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence).toHaveLength(4);
    expect(seg.SegmentSequence[0]).toMatchObject({ SegmentNumber: 1, SegmentLabel: "a", SegmentAlgorithmType: "SEMIAUTOMATIC", SegmentAlgorithmName: "LIM-Net" });
    expect(seg.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0].AlgorithmVersion).toBe("ab".repeat(32));
  });

  it("names no model for what a person drew alone", () => {
    const [item] = read(encodeSeg(source, [segment("a", 1, { algorithm: "MANUAL" })], options)).SegmentSequence;
    expect(item.SegmentAlgorithmType).toBe("MANUAL");
    expect(item.SegmentAlgorithmName).toBeUndefined();
  });

  it("ties every frame to its image, and to the frame of a multi-frame", () => {
    const frames = (bytes: Buffer) => read(bytes).PerFrameFunctionalGroupsSequence;
    const [, b] = frames(encodeSeg(source, [segment("a", 1), segment("b", 2)], options));
    expect(b.SegmentIdentificationSequence[0].ReferencedSegmentNumber).toBe(2);
    expect(b.PlanePositionSequence[0].ImagePositionPatient).toEqual([-100, -90, 47.5]);
    expect(b.DerivationImageSequence[0].SourceImageSequence[0]).toMatchObject({ ReferencedSOPInstanceUID: "1.2.3.4.1.4" });
    expect(b.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber).toBeUndefined();
    const multi = frames(encodeSeg(fakeSeries({ shape: [8, 6, 4], multiFrame: true }), [segment("b", 2)], options));
    expect(multi[0].DerivationImageSequence[0].SourceImageSequence[0]).toMatchObject({ ReferencedSOPInstanceUID: "1.2.3.4.1.1", ReferencedFrameNumber: 4 });
  });

  it("can keep empty frames", () => {
    expect(read(encodeSeg(source, [segment("a", 1)], options)).NumberOfFrames).toBe(1);
    expect(read(encodeSeg(source, [segment("a", 1)], { ...options, keepEmptyFrames: true })).NumberOfFrames).toBe(4);
  });

  it("is a label map when asked, unless objects overlap", () => {
    const map = read(encodeSeg(source, [segment("a", 1), segment("b", 2)], { ...options, kind: "labelmap" }));
    expect(map).toMatchObject({ SOPClassUID: "1.2.840.10008.5.1.4.1.1.66.7", SegmentationType: "LABELMAP", BitsAllocated: 8, PixelPaddingValue: 0, NumberOfFrames: 2 });
    const over = segment("c", 1, { labels: new Uint8Array(192).fill(1, 55, 70) });
    expect(read(encodeSeg(source, [segment("a", 1), over], options)).SegmentsOverlap).toBe("YES");
    expect(() => encodeSeg(source, [segment("a", 1), over], { ...options, kind: "labelmap" })).toThrow(/overlap/);
  });

  it("mends what the source writes against the standard, but never who the patient is", () => {
    const wrong = fakeSeries({ shape: [8, 6, 4], attributes: { PatientAge: "7Y", StudyID: "a study id that is too long", StudyDate: "2026-01-02", PatientSize: "tall", PatientID: "x".repeat(70) } });
    expect(read(encodeSeg(wrong, [segment("a", 1)], options))).toMatchObject({ PatientAge: "007Y", StudyID: "a study id that", PatientID: "x".repeat(70) });
    const nameless = { ...source, info: { ...source.info, studyInstanceUid: "" } };
    expect(() => encodeSeg(nameless, [segment("a", 1)], options)).toThrow(/UID/);
  });

  it("is refused without a voxel", () => {
    expect(() => encodeSeg(source, [segment("a", 3)], options)).toThrow(/empty/);
  });
});
