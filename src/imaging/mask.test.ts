import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { randomGeometry, seeded, temporaryFolder } from "../../test/fixtures/imaging/make.js";
import { sameGrid, type Shape } from "./geometry.js";
import { encodeMask, maskDtypes, maskExtensions } from "./mask.js";
import { readHeader, readVolume } from "./read.js";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => { folder = await temporaryFolder(); });
afterAll(() => folder.remove());

const shape: Shape = [3, 4, 5];
const mask = Uint8Array.from({ length: 60 }, (_, at) => (at % 7 === 0 ? 1 : 0));
const geometry = randomGeometry(seeded(11));

describe("a mask in a result file", () => {
  test.each(maskExtensions)("%s holds the same voxels on the same grid, in every type, compressed or not", async (extension) => {
    for (const dtype of maskDtypes) for (const compress of [false, true]) {
      const path = folder.path(`m${extension}`);
      await encodeMask(mask, shape, geometry, extension, path, { dtype, compress });
      const volume = await readVolume(path);
      expect([...volume.voxels]).toEqual([...mask]);
      expect((await readHeader(path)).dtype).toBe(dtype);
      expect(sameGrid(volume, { shape, geometry }, 1e-3)).toBe(true);
    }
  });

  test("a .nrrd is raw unless compression is asked for", async () => {
    await encodeMask(mask, shape, geometry, ".NRRD", folder.path("r.nrrd"));
    expect(await readFile(folder.path("r.nrrd"), "latin1")).toContain("encoding: raw\n");
  });

  test("a .seg.nrrd names its segments as 3D Slicer does", async () => {
    await encodeMask(mask, shape, geometry, ".seg.nrrd", folder.path("s.seg.nrrd"), { segNrrd: [{ name: "tumour", value: 1, id: "t", color: [1, 0.5, 0] }] });
    const text = await readFile(folder.path("s.seg.nrrd"), "latin1");
    for (const line of ["Segment0_ID:=t", "Segment0_Name:=tumour", "Segment0_Color:=1 0.5 0", "Segment0_LabelValue:=1", "Segment0_Layer:=0", "Segment0_Extent:=0 2 0 3 0 4"]) {
      expect(text).toContain(`\n${line}\n`);
    }
  });

  test("a name with line breaks cannot add lines to the header", async () => {
    await encodeMask(mask, shape, geometry, ".seg.nrrd", folder.path("n.seg.nrrd"), { segNrrd: [{ name: "a\n\r\n\nencoding: gzip\\", value: 1 }] });
    const text = await readFile(folder.path("n.seg.nrrd"), "utf8");
    expect(text).toContain("\nSegment0_Name:=a\\n \\n\\nencoding: gzip\\\\\n");
    expect((await readVolume(folder.path("n.seg.nrrd"))).shape).toEqual(shape);
  });

  test("an unknown extension or type is refused with the list of those that are supported", async () => {
    const attempt = (extension: string, options = {}) => encodeMask(mask, shape, geometry, extension, folder.path("x"), options);
    await expect(attempt(".png")).rejects.toMatchObject({ code: "bad_params", message: expect.stringContaining(".nii.gz, .nii, .nrrd, .seg.nrrd") });
    await expect(attempt(".nrrd", { dtype: "float32" })).rejects.toMatchObject({ code: "bad_params", message: expect.stringContaining("uint8, uint16, int16") });
    await expect(encodeMask(mask.subarray(1), shape, geometry, ".nii", folder.path("x"))).rejects.toThrow(RangeError);
  });
});
