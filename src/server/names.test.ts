import { describe, expect, it } from "vitest";
import { contentDisposition, mimeType } from "./downloads.js";
import { parseQuery } from "./middleware.js";
import { splitUploadName } from "./uploads.js";

describe("names on the wire", () => {
  it.each([
    ["/home/jane/scan.nii.gz", { stem: "scan", ext: ".nii.gz" }],
    ["C:\\Users\\jane\\a.b.NII.GZ", { stem: "a.b", ext: ".NII.GZ" }],
    ["seg.1.seg.nrrd", { stem: "seg.1", ext: ".seg.nrrd" }],
    ["label.bin", { stem: "label", ext: ".bin" }],
    ["blob", { stem: "blob", ext: ".nii.gz" }],
    ["", { stem: "", ext: ".nii.gz" }],
    ["../../x.nrrd", { stem: "x", ext: ".nrrd" }],
  ])("of an upload: %j", (name, parts) => expect(splitUploadName(name)).toEqual(parts));

  it.each([
    ["a.nii.gz", 'attachment; filename="a.nii.gz"'],
    ["a b.nii.gz", "attachment; filename*=utf-8''a%20b.nii.gz"],
    ["é\"(1)'.nrrd", "attachment; filename*=utf-8''%C3%A9%22%281%29%27.nrrd"],
  ])("of a download: %j", (name, header) => expect(contentDisposition(name)).toBe(header));

  it.each([[".nii.gz", "application/octet-stream"], [".seg.nrrd", "application/octet-stream"], [".json", "application/json"], [".png", "image/png"]])(
    "type of %s", (ext, type) => expect(mimeType(`x${ext}`)).toBe(type));

  it("of query keys: forms' plus, last of repeated, no brackets", () => {
    expect(parseQuery("image=a+b%2Bc&x=1&x=2&y[z]=3&__proto__=4")).toEqual(Object.fromEntries([["image", "a b+c"], ["x", "2"], ["y[z]", "3"], ["__proto__", "4"]]));
  });
});
