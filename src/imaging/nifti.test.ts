import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { niftiHeader, type NiftiFields, temporaryFolder } from "../../test/fixtures/imaging/make.js";
import { readVolume } from "./read.js";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => { folder = await temporaryFolder(); });
afterAll(() => folder.remove());

const read = async (fields: NiftiFields, bytes = 24) => readVolume(await folder.write("a.nii", niftiHeader(fields), new Uint8Array(bytes)));
const affine = async (fields: NiftiFields) => (await read(fields)).geometry.affine;

describe("where a NIfTI volume lies", () => {
  const sform = [2, 0, 0, 1, 0, 3, 0, 2, 0, 0, 4, 3];
  const qform = { code: 1, b: 0, c: 0, d: 1, origin: [7, 8, 9] };

  test("the sform counts before the qform", async () => {
    expect(await affine({ sform, qform })).toEqual(sform);
  });

  test("without a sform the qform counts; a half turn has the quaternion (0, 0, 1)", async () => {
    expect(await affine({ qform, pixdim: [1, 2, 3, 4] })).toEqual([-2, 0, 0, 7, 0, -3, 0, 8, 0, 0, 4, 9]);
  });

  test("a negative qfac mirrors the third axis, and a qfac of zero does not", async () => {
    expect((await affine({ qform, pixdim: [-1, 2, 3, 4] }))[10]).toBe(-4);
    expect((await affine({ qform, pixdim: [0, 2, 3, 4] }))[10]).toBe(4);
  });

  test("without either the grid is centred and x runs to the left, as nibabel and SPM have it", async () => {
    expect(await affine({ pixdim: [1, 2, 3, 4] })).toEqual([-2, 0, 0, 1, 0, 3, 0, -3, 0, 0, 4, -6]);
  });

  test("metres and micrometres become millimetres", async () => {
    expect((await affine({ sform, units: 1 })).slice(0, 4)).toEqual([2000, 0, 0, 1000]);
    expect((await affine({ qform, pixdim: [1, 250, 250, 250], units: 3 }))[0]).toBeCloseTo(-0.25, 12);
  });
});

describe("shape and scale of a NIfTI volume", () => {
  test("two dimensions are one slice, whatever the third spacing is", async () => {
    const volume = await read({ dims: [2, 4, 6], pixdim: [1, 2, 3, 0] });
    expect(volume.shape).toEqual([4, 6, 1]);
  });

  test("trailing dimensions of one are dropped; a real fourth one is refused", async () => {
    expect((await read({ dims: [5, 2, 3, 4, 1, 1] })).shape).toEqual([2, 3, 4]);
    await expect(read({ dims: [4, 2, 3, 2, 2] })).rejects.toMatchObject({ code: "bad_volume", message: expect.stringContaining("three dimensions") });
  });

  test("a slope of zero or NaN means none", async () => {
    for (const slope of [0, Number.NaN]) expect(await read({ slope, intercept: 5 })).toMatchObject({ slope: 1, intercept: 0 });
    expect(await read({ slope: 0.5, intercept: 5 })).toMatchObject({ slope: 0.5, intercept: 5 });
  });

  test("extensions between header and voxels, and bytes after the voxels, are passed over", async () => {
    const path = await folder.write("e.nii", niftiHeader({ offset: 384 }), new Uint8Array(32).fill(9), new Uint8Array(24).fill(5), new Uint8Array(7).fill(9));
    expect((await readVolume(path)).voxels).toEqual(new Uint8Array(24).fill(5));
  });
});
