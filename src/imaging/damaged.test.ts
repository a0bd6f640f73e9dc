/** Files that are damaged, or lie: each costs an error sentence, never a crash, a wait or memory. */
import { execFileSync } from "node:child_process";
import { mkdir, open, readFile, truncate } from "node:fs/promises";
import { deflateSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { fixtures, niftiHeader, type NiftiFields, seeded, temporaryFolder } from "../../test/fixtures/imaging/make.js";
import { LimnetError } from "../errors.js";
import { readHeader, readVolume } from "./read.js";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let before: number;
beforeAll(async () => { folder = await temporaryFolder(); });
beforeEach(() => { before = process.memoryUsage.rss(); });
afterAll(() => folder.remove());

async function refused(path: string, sentence: string, limits = {}) {
  const error = await readVolume(path, limits).then(() => undefined, (reason: unknown) => reason);
  expect(error).toBeInstanceOf(LimnetError);
  const { code, message } = error as LimnetError;
  expect({ code, message }).toEqual({ code: "bad_volume", message: expect.stringContaining(sentence) });
  expect(message).not.toMatch(/limnet-imaging|\/tmp/);
  expect(process.memoryUsage.rss() - before).toBeLessThan(150e6);
}

describe("NIfTI that lies", () => {
  const lies: [string, NiftiFields][] = [
    ["ends before", { dims: [3, 200, 200, 200] }],
    ["more than the 1100000000", { dims: [3, 10000, 10000, 10000] }],
    ["must be 1 or more", { dims: [3, 2, 0, 4] }],
    ["must be 1 or more", { dims: [3, 2, -3, 4] }],
    ["names 0 dimensions", { dims: [0, 2, 3, 4] }],
    ["names 9 dimensions", { dims: [9, 2, 3, 4] }],
    ["fewer than two", { dims: [1, 24] }],
    ["zero", { pixdim: [1, 0, 1, 1] }],
    ["not finite", { pixdim: [1, Number.NaN, 1, 1] }],
    ["not finite", { pixdim: [1, 1, 1, Number.POSITIVE_INFINITY] }],
    ["one plane", { sform: [1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0] }],
    ["not finite", { sform: [1, 0, 0, Number.NaN, 0, 1, 0, 0, 0, 0, 1, 0] }],
    ["impossible rotation", { qform: { code: 1, b: 1, c: 1, d: 0, origin: [0, 0, 0] } }],
    ["impossible rotation", { qform: { code: 1, b: Number.NaN, c: 0, d: 0, origin: [0, 0, 0] } }],
    ["data type 128", { code: 128 }],
    ["data type 1 ", { code: 1 }],
    ["data type -7", { code: -7 }],
    ["ends before", { offset: 1e9 }],
    ["vox_offset", { offset: 1e30 }],
    ["vox_offset", { offset: -400 }],
    ["vox_offset", { offset: 40 }],
    ["scl_inter", { intercept: Number.NaN }],
    [".hdr/.img", { magic: "ni1\0" }],
    ["Analyze", { magic: "\0\0\0\0" }],
  ];
  test.each(lies)("is refused with a reason: %s (%o)", async (sentence, fields) => {
    const bytes = Buffer.concat([niftiHeader(fields), Buffer.alloc(24)]);
    await refused(await folder.write("l.nii", bytes), sentence);
    await refused(await folder.write("l.nii.gz", gzipSync(bytes)), sentence);
  });

  test("NIfTI-2 is named", async () => {
    const header = niftiHeader();
    header.writeInt32LE(540, 0);
    await refused(await folder.write("2.nii", header), "NIfTI-2");
  });

  test("the largest number of voxels can be set", async () => {
    const path = await folder.write("m.nii", niftiHeader(), Buffer.alloc(24));
    await refused(path, "more than the 23", { maxVoxels: 23 });
    expect((await readVolume(path, { maxVoxels: 24 })).shape).toEqual([2, 3, 4]);
  });
});

describe("files that were cut off or hit", () => {
  test("an empty file, a folder and noise are no images", async () => {
    const random = seeded(4);
    await refused(await folder.write("empty"), "empty");
    await mkdir(folder.path("folder.nii"), { recursive: true });
    await refused(folder.path("folder.nii"), "");
    await refused(await folder.write("noise", Uint8Array.from({ length: 5000 }, () => 256 * random())), "not an image");
    await refused(await folder.write("text.nii", "hello"), "not an image");
    await refused(await folder.write("noise.gz", gzipSync("hello")), "not an image");
  });

  test("a named pipe is not waited for", async () => {
    execFileSync("mkfifo", [folder.path("pipe.nii")]);
    await refused(folder.path("pipe.nii"), "not a file");
  });

  test("a file that is gone is not found", async () => {
    await expect(readHeader(folder.path("gone.nii"))).rejects.toMatchObject({ code: "not_found", message: expect.not.stringContaining("gone") });
  });

  test("every cut of a good file is refused", async () => {
    for (const name of ["RAS.nii.gz", "oblique.nrrd", "oblique.mha"]) {
      const bytes = await readFile(`${fixtures}${name}`);
      const cuts = bytes.length > 1000 ? [1, 2, 10, 18, 100, 1000, bytes.length - 9, bytes.length - 1] : bytes.keys();
      for (const cut of cuts) {
        const path = await folder.write("cut", bytes.subarray(0, cut));
        await expect(readVolume(path)).rejects.toMatchObject({ code: "bad_volume" });
      }
    }
  });

  test("a flipped bit in the compressed voxels is found by the checksum", async () => {
    const bytes = await readFile(`${fixtures}RAS.nii.gz`);
    bytes[bytes.length >> 1] ^= 0x10;
    await refused(await folder.write("flip.nii.gz", bytes), "");
  });

  test("a thousand headers with random bytes give an answer or a LimnetError", async () => {
    const random = seeded(12);
    for (const name of ["RAS.nii.gz", "oblique.nrrd", "oblique.mha"]) {
      const good = await readFile(`${fixtures}${name}`);
      for (let round = 0; round < 330; round++) {
        const bytes = Buffer.from(name === "RAS.nii.gz" ? niftiHeader({ dims: [3, 2, 3, 4] }) : good);
        for (let hit = 0; hit < 4; hit++) bytes[Math.floor(random() * Math.min(bytes.length, 400))] = 256 * random();
        const path = await folder.write("fuzz", bytes, new Uint8Array(64));
        await readVolume(path).catch((error: unknown) => { if (!(error instanceof LimnetError)) throw error; });
      }
    }
    expect(process.memoryUsage.rss() - before).toBeLessThan(300e6);
  });

  test("bytes after the voxels do no harm, packed or not", async () => {
    const good = await readFile(`${fixtures}RAS.nii.gz`);
    for (const tail of [Buffer.from("surplus"), Buffer.alloc(512), gzipSync("more")]) {
      expect((await readVolume(await folder.write("t.nii.gz", good, tail))).shape).toEqual([26, 32, 28]);
    }
    const mha = await readFile(`${fixtures}oblique.mha`);
    expect((await readVolume(await folder.write("t.mha", mha, "surplus"))).shape).toEqual([3, 4, 5]);
  });
});

describe("bombs", () => {
  test("a gzip bomb is unpacked no further than its header declares", async () => {
    const member = gzipSync(Buffer.alloc(1 << 20));
    const first = gzipSync(Buffer.concat([niftiHeader(), Buffer.alloc(24, 5)]));
    const path = await folder.write("bomb.nii.gz", first, ...Array<Buffer>(6000).fill(member));
    const from = performance.now();
    expect((await readVolume(path)).voxels).toEqual(new Uint8Array(24).fill(5));
    expect((await readHeader(path)).shape).toEqual([2, 3, 4]);
    // Unpacking all of its 6 GB takes several seconds.
    expect(performance.now() - from).toBeLessThan(1000);
    expect(process.memoryUsage.rss() - before).toBeLessThan(150e6);
  });

  test("a small file that declares a thousand million voxels allocates nothing", async () => {
    const huge = { dims: [3, 1000, 1000, 1000], code: 64 };
    await refused(await folder.write("h.nii.gz", gzipSync(niftiHeader(huge))), "ends before");
    await refused(await folder.write("h.nrrd", "NRRD0004\ntype: double\ndimension: 3\nsizes: 1000 1000 1000\nendian: little\nencoding: gzip\n\n", gzipSync("x")), "ends before");
    await refused(await folder.write("h2.nrrd", "NRRD0004\ntype: double\ndimension: 3\nsizes: 1000 1000 1000\nencoding: ascii\n\n1 2 3"), "ends before");
    await refused(await folder.write("h.mha", "ObjectType = Image\nNDims = 3\nDimSize = 1000 1000 1000\nElementType = MET_DOUBLE\nCompressedData = True\nElementDataFile = LOCAL\n", deflateSync("x")), "ends before");
  });

  test("a header of a hundred megabytes, with or without lines, is given up after the first", async () => {
    for (const [name, start] of [["a", "NRRD0004\n"], ["b", "NRRD0004\n# "], ["c", "ObjectType = Image\nNDims = 3\n"], ["d", "NDims = "]]) {
      const path = await folder.write(name, start, Buffer.alloc(1 << 21, name === "a" ? "x: y\n" : "1 "));
      await truncate(path, 100e6);
      const from = performance.now();
      await refused(path, "has no end");
      expect(performance.now() - from).toBeLessThan(1000);
    }
  });

  test("a hundred thousand dimensions are refused in one short sentence", async () => {
    const sizes = "1 ".repeat(100_000).trim();
    await refused(await folder.write("d.nrrd", `NRRD0004\ntype: uint8\ndimension: 100000\nsizes: ${sizes}\nencoding: raw\n\n`), "16 dimensions");
    await refused(await folder.write("d.mha", `NDims = 100000\nDimSize = ${sizes}\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n`), "16 dimensions");
  });

  test("a file of holes that is as long as it says is refused by the limit, not by memory", async () => {
    const path = await folder.write("holes.nii", niftiHeader({ dims: [3, 2000, 2000, 2000] }));
    const file = await open(path, "r+");
    await file.truncate(8e9 + 352);
    await file.close();
    await refused(path, "more than the");
  });
});
