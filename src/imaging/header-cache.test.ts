import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { HeaderCache } from "./header-cache.js";
import { writeNifti } from "./nifti-write.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-headers-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function volume(name: string, width: number): Promise<string> {
  const path = join(folder, name);
  await writeNifti({ voxels: new Uint8Array(width * 6), shape: [width, 2, 3], geometry: { affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0] }, slope: 1, intercept: 0 }, path, { gzip: true });
  return path;
}

it("a header is read once for a content, wherever it lies", async () => {
  const headers = new HeaderCache();
  const path = await volume("a.nii.gz", 4);
  const first = await headers.read(path, "a");
  expect(first.shape).toEqual([4, 2, 3]);
  expect(await headers.read(join(folder, "gone since"), "a")).toBe(first);
});

it("other content under the same path is read anew, and so is what nobody has summed", async () => {
  const headers = new HeaderCache();
  const path = await volume("b.nii.gz", 4);
  await headers.read(path, "b");
  await headers.read(path, "");
  await volume("b.nii.gz", 5);
  expect((await headers.read(path, "c")).shape).toEqual([5, 2, 3]);
  expect((await headers.read(path, "")).shape).toEqual([5, 2, 3]);
});

it("what cannot be read is not kept, and the limits hold", async () => {
  const headers = new HeaderCache({ maxVoxels: 20 });
  await expect(headers.read(join(folder, "none"), "d")).rejects.toMatchObject({ code: "not_found" });
  await expect(headers.read(await volume("d.nii.gz", 4), "d")).rejects.toMatchObject({ code: "bad_volume" });
  expect((await headers.read(await volume("d.nii.gz", 3), "d")).shape).toEqual([3, 2, 3]);
});

it("the oldest of many is let go of", async () => {
  const headers = new HeaderCache();
  const path = await volume("e.nii.gz", 4);
  for (let n = 0; n < 201; n++) await headers.read(path, `e${n}`);
  await expect(headers.read(join(folder, "none"), "e0")).rejects.toMatchObject({ code: "not_found" });
  expect((await headers.read(join(folder, "none"), "e1")).shape).toEqual([4, 2, 3]);
});
