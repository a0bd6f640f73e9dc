import { deflateSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { temporaryFolder } from "../../test/fixtures/imaging/make.js";
import { readVolume } from "./read.js";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => { folder = await temporaryFolder(); });
afterAll(() => folder.remove());

const fields = {
  ObjectType: "Image", NDims: "3", BinaryData: "True", BinaryDataByteOrderMSB: "False", CompressedData: "False",
  TransformMatrix: "1 0 0 0 1 0 0 0 1", Offset: "5 6 7", ElementSpacing: "2 3 4", DimSize: "2 1 2", ElementType: "MET_UCHAR", ElementDataFile: "LOCAL",
};
const read = async (change: Partial<Record<string, string>>, data: Uint8Array = Uint8Array.of(1, 2, 3, 4), end = "\n") => {
  const { ElementDataFile, ...others } = { ...fields, ...change };
  const lines = Object.entries({ ...others, ElementDataFile }).map(([key, value]) => `${key} = ${value}${end}`);
  return readVolume(await folder.write("a.mha", lines.join(""), data));
};

describe("reading MetaImage", () => {
  test("the grid is taken from LPS to RAS, the matrix lists the direction of i, then j, then k", async () => {
    expect((await read({})).geometry.affine).toEqual([-2, 0, 0, -5, 0, -3, 0, -6, 0, 0, 4, 7]);
    expect((await read({ TransformMatrix: "0 1 0 0 0 1 1 0 0" })).geometry.affine).toEqual([0, 0, -4, -5, -2, 0, 0, -6, 0, 3, 0, 7]);
  });

  test("compressed data, Windows line ends, big-endian samples and an intensity scale are read", async () => {
    expect((await read({ CompressedData: "True" }, deflateSync(Uint8Array.of(1, 2, 3, 4)))).voxels).toEqual(Uint8Array.of(1, 2, 3, 4));
    expect((await read({}, undefined, "\r\n")).voxels).toEqual(Uint8Array.of(1, 2, 3, 4));
    expect((await read({ ElementType: "MET_SHORT", DimSize: "2 1 1", BinaryDataByteOrderMSB: "True" })).voxels).toEqual(Int16Array.of(258, 772));
    expect(await read({ ElementToIntensityFunctionSlope: "2", ElementToIntensityFunctionOffset: "-3" })).toMatchObject({ slope: 2, intercept: -3 });
  });

  test("two dimensions are one slice; a fourth of one is dropped", async () => {
    const flat = await read({ NDims: "2", DimSize: "2 2", Offset: "5 6", ElementSpacing: "2 3", TransformMatrix: "1 0 0 1" });
    expect(flat).toMatchObject({ shape: [2, 2, 1], geometry: { affine: [-2, 0, 0, -5, 0, -3, 0, -6, 0, 0, 1, 0] } });
    const four = await read({ NDims: "4", DimSize: "2 1 2 1", Offset: "5 6 7 0", ElementSpacing: "2 3 4 1", TransformMatrix: "1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1" });
    expect(four).toMatchObject({ shape: [2, 1, 2], geometry: { affine: [-2, 0, 0, -5, 0, -3, 0, -6, 0, 0, 4, 7] } });
  });

  test.each([
    ["second file", { ElementDataFile: "a.raw" }],
    ["as text", { BinaryData: "False" }],
    ["several channels", { ElementNumberOfChannels: "3" }],
    ["skips bytes", { HeaderSize: "-1" }],
    ["number of sizes", { DimSize: "2 2" }],
    ["element type", { ElementType: "MET_OTHER" }],
    ["element type", { ElementType: "toString" }],
    ["wrong length", { Offset: "1 2" }],
    ["not finite", { Offset: "1 2 nan" }],
    ["zero", { ElementSpacing: "1 0 1" }],
    ["intensity scale", { ElementToIntensityFunctionSlope: "0" }],
  ])("what is not supported is said: %s", async (sentence, change) => {
    await expect(read(change)).rejects.toMatchObject({ code: "bad_volume", message: expect.stringContaining(sentence) });
  });
});
