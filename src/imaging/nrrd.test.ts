import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fixtures, temporaryFolder, volumeOf } from "../../test/fixtures/imaging/make.js";
import { geometryFrom } from "./geometry.js";
import { encodeMask } from "./mask.js";
import { writeNrrd } from "./nrrd-write.js";
import { readHeader, readVolume } from "./read.js";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => { folder = await temporaryFolder(); });
afterAll(() => folder.remove());

const small = ["type: uint8", "dimension: 3", "sizes: 2 1 2", "encoding: raw"];
const read = async (lines: readonly string[], data: Uint8Array | string = Uint8Array.of(1, 2, 3, 4), end = "\n") =>
  readVolume(await folder.write("a.nrrd", `NRRD0004${end}${lines.join(end)}${end}${end}`, data));
const refusal = (sentence: string) => expect.objectContaining({ code: "bad_volume", message: expect.stringContaining(sentence) });

describe("reading NRRD", () => {
  test.each([
    ["left-posterior-superior", [-2, 0, 0, -5, 0, -3, 0, -6, 0, 0, 4, 7]],
    ["LPS", [-2, 0, 0, -5, 0, -3, 0, -6, 0, 0, 4, 7]],
    ["right-anterior-superior", [2, 0, 0, 5, 0, 3, 0, 6, 0, 0, 4, 7]],
    ["RAS", [2, 0, 0, 5, 0, 3, 0, 6, 0, 0, 4, 7]],
    ["left-anterior-superior", [-2, 0, 0, -5, 0, 3, 0, 6, 0, 0, 4, 7]],
  ])("space %s is taken to RAS", async (space, affine) => {
    const { geometry } = await read([...small, `space: ${space}`, "space directions: (2,0,0) (0,3,0) (0,0,4)", "space origin: (5,6,7)"]);
    expect(geometry.affine).toEqual(affine);
  });

  test("a file that ITK wrote is read, header first", async () => {
    const path = `${fixtures}breast1_label.nrrd`;
    const header = await readHeader(path);
    expect(header).toMatchObject({ shape: [45, 120, 21], dtype: "int16" });
    const { voxels } = await readVolume(path);
    expect([...new Set(voxels)].sort()).toEqual([0, 1]);
  });

  test("spacings without a place are a grid at the origin", async () => {
    expect((await read([...small, "spacings: 2 3 4"])).geometry.affine).toEqual([-2, 0, 0, 0, 0, -3, 0, 0, 0, 0, 4, 0]);
  });

  test("text, gzip, Windows line ends, comments and notes are read", async () => {
    const numbers = [...small.slice(0, 3), "# a comment: here", "Segment0_Name:=sizes: 9 9 9"];
    const expected = Uint8Array.of(1, 2, 3, 4);
    expect((await read([...numbers, "encoding: ascii"], "1 2\n3, 4\n")).voxels).toEqual(expected);
    expect((await read([...numbers, "encoding: gz"], gzipSync(expected))).voxels).toEqual(expected);
    expect((await read([...numbers, "encoding: raw"], expected, "\r\n")).voxels).toEqual(expected);
  });

  test("text may hold floats, NaN among them, and 64-bit integers", async () => {
    const lines = ["dimension: 2", "sizes: 2 2", "encoding: text"];
    expect((await read(["type: float", ...lines], "1.5 -2e-3 nan 4")).voxels).toEqual(Float32Array.of(1.5, -2e-3, Number.NaN, 4));
    expect((await read(["type: int64", ...lines], "1 2 3 5000000000")).voxels).toEqual(Float64Array.of(1, 2, 3, 5e9));
  });

  test("big-endian samples are turned, and a byte skip of -1 counts from the end", async () => {
    const { voxels } = await read(["type: ushort", "dimension: 2", "sizes: 2 1", "encoding: raw", "endian: big", "byte skip: -1"], Uint8Array.of(9, 9, 9, 1, 2, 3, 4));
    expect(voxels).toEqual(Uint16Array.of(258, 772));
  });

  test("a segmentation of one layer in a list axis is three-dimensional", async () => {
    const { shape } = await read(["type: uint8", "dimension: 4", "sizes: 1 2 1 2", "encoding: raw", "space: LPS", "kinds: list domain domain domain", "space directions: none (1,0,0) (0,1,0) (0,0,1)"]);
    expect(shape).toEqual([2, 1, 2]);
  });

  test.each([
    ["several channels", ["type: uint8", "dimension: 4", "sizes: 2 2 1 1", "encoding: raw", "space directions: none (1,0,0) (0,1,0) (0,0,1)"]],
    ["second file", [...small, "data file: other.raw"]],
    ["encoding \"bzip2\"", ["type: uint8", "dimension: 3", "sizes: 2 1 2", "encoding: bzip2"]],
    ["type \"block\"", ["type: block", "dimension: 3", "sizes: 2 1 2", "encoding: raw"]],
    ["type \"constructor\"", ["type: constructor", "dimension: 3", "sizes: 2 1 2", "encoding: raw"]],
    ["space \"scanner-xyz\"", [...small, "space: scanner-xyz"]],
    ["little or big endian", ["type: short", "dimension: 3", "sizes: 2 1 1", "encoding: raw"]],
    ["number of sizes", ["type: uint8", "dimension: 3", "sizes: 2 2", "encoding: raw"]],
    ["no \"sizes\" line", ["type: uint8", "dimension: 3", "encoding: raw"]],
    ["not finite", [...small, "space directions: (nan,0,0) (0,1,0) (0,0,1)"]],
    ["not in two or three", [...small, "space directions: (1,0,0,0) (0,1,0,0) (0,0,1,0)"]],
    ["skips bytes", [...small, "line skip: 2"]],
  ])("what is not supported is said: %s", async (sentence, lines) => {
    await expect(read(lines)).rejects.toThrow(refusal(sentence));
  });

  test("text that is no number, or does not fit its type, is refused", async () => {
    const lines = ["type: uint8", "dimension: 2", "sizes: 2 2", "encoding: ascii"];
    await expect(read(lines, "1 2 x 4")).rejects.toThrow(refusal("not a number"));
    await expect(read(lines, "1 2 300 4")).rejects.toThrow(refusal("do not fit uint8"));
    await expect(read(lines, "1 2 3         ")).rejects.toThrow(refusal("ends before"));
    await expect(read(lines, "1".repeat(1000))).rejects.toThrow(refusal("not a number"));
  });
});

describe("writing NRRD", () => {
  const geometry = geometryFrom({ space: "LPS", origin: [-10, 20.5, 1 / 3], steps: [[0.7, 0, 0], [0, 0.7, 0], [0, 0, 2.5]] });

  test("a uint8 mask is laid out as ITK does, line for line", async () => {
    await encodeMask(Uint8Array.of(0, 1, 1, 0), [2, 1, 2], geometry, ".nrrd", folder.path("m.nrrd"));
    expect(await readFile(folder.path("m.nrrd"), "latin1")).toBe(
      "NRRD0004\n# Complete NRRD file format specification at:\n# http://teem.sourceforge.net/nrrd/format.html\n" +
      "type: unsigned char\ndimension: 3\nspace: left-posterior-superior\nsizes: 2 1 2\n" +
      "space directions: (0.7,0,0) (0,0.7,0) (0,0,2.5)\nkinds: domain domain domain\nencoding: raw\n" +
      "space origin: (-10,20.5,0.3333333333333333)\n\n\0\x01\x01\0",
    );
  });

  test("types of several bytes name their byte order", async () => {
    await writeNrrd(volumeOf(new Int16Array(4), [2, 1, 2], geometry), folder.path("s.nrrd"), { encoding: "gzip" });
    expect(await readFile(folder.path("s.nrrd"), "latin1")).toContain("type: short\n");
    expect(await readFile(folder.path("s.nrrd"), "latin1")).toContain("\nendian: little\nencoding: gzip\n");
  });
});
