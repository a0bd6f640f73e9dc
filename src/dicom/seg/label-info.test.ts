import { describe, expect, it } from "vitest";
import { nameValues, slicerCoding, slicerTags } from "./label-info.js";

const names = (values: readonly number[], info: unknown) => nameValues(values, info).map(({ name }) => name);

describe("names of voxel values", () => {
  it("are matched by the number that the client gives, whatever it calls it", () => {
    expect(names([1, 3], [{ name: "b", idx: 3 }, { name: "a", idx: 1 }])).toEqual(["a", "b"]);
    expect(names([2], [{ name: "x", labelID: 1 }, { name: "y", label: 2 }])).toEqual(["y"]);
  });

  it("are matched by order where there are no numbers, or those of other segments (Slicer)", () => {
    expect(names([4, 9], [{ name: "a" }, { name: "b" }])).toEqual(["a", "b"]);
    expect(names([1, 2], [{ name: "a", idx: 2 }, { name: "b", idx: 5 }])).toEqual(["a", "b"]);
    expect(names([1, 2, 3], [{ name: "a", idx: 2 }, { name: "b", idx: 5 }])).toEqual([null, "a", null]);
  });

  it("are not known where nothing is said, or nonsense", () => {
    for (const info of [undefined, null, "x", 3, {}, [], [null, 5], [{ name: 7 }]]) expect(names([1], info)).toEqual([null]);
  });

  it("come with colour and codes, written as dcmqi or as DICOM JSON does", () => {
    const code = { CodeValue: "64033007", CodingSchemeDesignator: "SCT", CodeMeaning: "Kidney" };
    const left = { CodeValue: "7771000", CodingSchemeDesignator: "SCT", CodeMeaning: "Left" };
    for (const type of [code, [code]]) {
      expect(nameValues([1], [{ name: "k", idx: 1, color: [300, 10.4, -2, 1], SegmentedPropertyTypeCodeSequence: type, SegmentedPropertyTypeModifierCodeSequence: left }])[0]).toMatchObject({
        color: [255, 10, 0], coding: { type: { value: "64033007", scheme: "SCT", meaning: "Kidney" }, modifier: { value: "7771000" } },
      });
    }
    expect(nameValues([1], [{ name: "k", idx: 1, SegmentedPropertyTypeCodeSequence: [{ ...code, SegmentedPropertyTypeModifierCodeSequence: [left] }] }])[0].coding?.modifier?.value).toBe("7771000");
    expect(nameValues([1], [{ name: "k", idx: 1, SegmentedPropertyTypeCodeSequence: { CodeValue: "" } }])[0].coding).toBeUndefined();
  });
});

describe("the terminology of 3D Slicer", () => {
  it("is read from the tags of a segment", () => {
    const tags = "DICOM.LegacySegment:x|TerminologyEntry:Segmentation category and type - 3D Slicer General Anatomy list~SCT^123037004^Anatomical Structure~SCT^64033007^Kidney~SCT^24028007^Right~Anatomic codes - DICOM master list~^^~^^|";
    expect(slicerCoding(tags)).toMatchObject({ category: { value: "123037004" }, type: { value: "64033007", meaning: "Kidney" }, modifier: { value: "24028007" } });
  });

  it("says nothing for a segment that nobody gave one", () => {
    expect(slicerCoding("TerminologyEntry:x~SCT^85756007^Tissue~SCT^85756007^Tissue~^^~y~^^~^^|")).toBeNull();
    expect(slicerCoding("")).toBeNull();
    expect(slicerCoding("TerminologyEntry:~~~")).toBeNull();
  });

  it("is written as it is read", () => {
    const coding = { category: { scheme: "SCT", value: "49755003", meaning: "Morphologically Altered Structure" }, type: { scheme: "SCT", value: "367643001", meaning: "Cyst" }, region: { scheme: "SCT", value: "64033007", meaning: "Kidney" } };
    expect(slicerCoding(slicerTags(coding))).toEqual({ ...coding, modifier: undefined, regionModifier: undefined });
  });
});
