import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { voxelToRas } from "../imaging/geometry.js";
import { writeNifti } from "../imaging/nifti-write.js";
import { readVolume } from "../imaging/read.js";
import { nudger, spoilFiles, unspoilt } from "./spoil.js";

let folder: string;
let files: { image: string; label: string };
const geometry = { affine: [-2, 0, 0, 10, 0, -3, 0, 20, 0, 0, 5, 0] } as const;
const image = Int16Array.from({ length: 6 * 5 * 3 }, (_, n) => n);
const label = Uint8Array.from(image, (n) => (n % 6 === 2 || n % 6 === 3 ? 7 : 0));

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-spoil-"));
  files = { image: join(folder, "a.nii"), label: join(folder, "b.nii") };
  const grid = { shape: [6, 5, 3], geometry, slope: 1, intercept: 0 } as const;
  await writeNifti({ ...grid, voxels: image }, files.image, { gzip: false });
  await writeNifti({ ...grid, voxels: label }, files.label, { gzip: false });
});
afterEach(() => rm(folder, { recursive: true }));

describe("spoilFiles", () => {
  it("leaves files as they are where nothing is asked for", async () => {
    expect(await spoilFiles({ ...files }, 2, unspoilt, 1, folder)).toEqual(files);
  });

  it("halves the slices: means of the image, the majority of the outline, at the same place in the patient", async () => {
    const made = await spoilFiles({ ...files }, 2, { ...unspoilt, half: true }, 1, folder);
    const [small, outline] = [await readVolume(made.image), await readVolume(made.label)];
    expect(small.shape).toEqual([3, 2, 3]);
    expect([...small.voxels.subarray(0, 3)]).toEqual([(0 + 1 + 6 + 7) / 4, (2 + 3 + 8 + 9) / 4, (4 + 5 + 10 + 11) / 4]);
    expect([...outline.voxels.subarray(0, 6)]).toEqual([0, 7, 0, 0, 7, 0]);
    const old = [voxelToRas({ ...geometry }, [2, 2, 1]), voxelToRas({ ...geometry }, [3, 3, 1])];
    const now = voxelToRas(small.geometry, [1, 1, 1]);
    expect(now).toMatchObject({ x: (old[0].x + old[1].x) / 2, y: (old[0].y + old[1].y) / 2, z: old[0].z });
  });

  it("adds noise of the wanted size, the same for the same seed", async () => {
    const spoil = { ...unspoilt, noise: 0.1 };
    const noisy = (await readVolume((await spoilFiles({ ...files }, 2, spoil, 4, folder)).image)).voxels.slice();
    const again = (await readVolume((await spoilFiles({ ...files }, 2, spoil, 4, folder)).image)).voxels;
    expect(noisy).toEqual(again);
    const deviation = Math.sqrt([...noisy].reduce((sum, v, n) => sum + (v - image[n]) ** 2, 0) / noisy.length);
    expect(deviation / 89).toBeGreaterThan(0.07);
    expect(deviation / 89).toBeLessThan(0.13);
  });
});

describe("nudger", () => {
  it("stays near, where it is allowed, and repeats itself for the same seed", () => {
    const points = [1, 1].map((seed) => {
      const nudge = nudger(3, seed)!;
      return Array.from({ length: 40 }, () => nudge({ row: 10, col: 10 }, ({ row }) => row >= 10));
    });
    expect(points[0]).toEqual(points[1]);
    expect(points[0].every(({ row, col }) => row >= 10 && Math.hypot(row - 10, col - 10) <= 3.7)).toBe(true);
    expect(new Set(points[0].map(({ row, col }) => `${row},${col}`)).size).toBeGreaterThan(8);
    expect(nudger(3, 1)!({ row: 4, col: 5 }, () => false)).toEqual({ row: 4, col: 5 });
    expect(nudger(0, 1)).toBeUndefined();
  });
});
