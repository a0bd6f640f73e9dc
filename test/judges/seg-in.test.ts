/** DICOM segmentations of other makers, read onto the grid of their series: highdicom, dcmqi, and fixtures as pydicom reads them. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readSeg } from "../../src/dicom/seg/read.js";
import { readSeries } from "../../src/dicom/series.js";
import type { SeriesVolume } from "../../src/dicom/types.js";
import { readSlice } from "../../src/imaging/slices.js";
import { judgesPython } from "./labels.js";

interface Truth {
  readonly series: string;
  readonly kind: string;
  /** Digest of the voxels by source instance; instances without a voxel are left out. */
  readonly segments: readonly Readonly<Record<string, string>>[];
}

const fixtures = join(import.meta.dirname, "..", "fixtures");
let folder: string;
let truth: Record<string, Truth>;
const series = new Map<string, Promise<SeriesVolume>>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-seg-in-"));
  await promisify(execFile)(judgesPython(), [join(import.meta.dirname, "seg_in_judge.py"), folder, fixtures], { timeout: 180_000, maxBuffer: 1e8 });
  truth = JSON.parse(await readFile(join(folder, "truth.json"), "utf8"));
}, 200_000);
afterAll(() => rm(folder ?? "", { recursive: true, force: true }));

async function volumeOf(name: string): Promise<SeriesVolume> {
  const opened = series.get(name) ?? (async () => {
    const at = join(fixtures, "dicom", name);
    const files = await Promise.all((await readdir(at)).filter((file) => file.endsWith(".dcm")).map((file) => readFile(join(at, file))));
    return (await readSeries(files)).volumes[0];
  })();
  series.set(name, opened);
  return opened;
}

/** The voxels of a mask by source instance, as the judge describes them. */
function describeMask(mask: Uint8Array, { volume: { shape }, slices }: SeriesVolume): Record<string, string> {
  return Object.fromEntries(slices.flatMap(({ sopInstanceUid }, k) => {
    const plane = readSlice(mask, shape, 2, k);
    return plane.includes(1) ? [[sopInstanceUid, createHash("sha256").update(plane).digest("hex")]] : [];
  }));
}

describe("segmentations of other makers", () => {
  it("are read as they were written, object by object, whatever their kind, encoding and order of frames", async () => {
    expect(Object.keys(truth).length).toBeGreaterThan(25);
    for (const [name, { series: source, kind, segments }] of Object.entries(truth)) {
      const file = existsSync(join(folder, name)) ? join(folder, name) : join(fixtures, name);
      const seg = await readSeg(await readFile(file));
      expect(seg.kind, name).toBe(kind);
      const { volume, ...rest } = await volumeOf(source);
      const grid = { ...rest, ...volume };
      const found = [];
      for (const { number } of seg.objects) found.push(describeMask(await seg.mask(number, grid), { volume, ...rest }));
      expect(found, name).toEqual(segments);
      // All at once gives the same voxels as one by one.
      const all = (await seg.segments(grid)).map(({ labels, value }) => describeMask(Uint8Array.from(labels, (voxel) => (voxel === value ? 1 : 0)), { volume, ...rest }));
      expect(all, name).toEqual(segments);
    }
  });

  it("keep their names, codes and colours", async () => {
    const [object] = (await readSeg(await readFile(join(folder, "dcmqi.dcm")))).objects;
    expect(object).toMatchObject({ name: "from dcmqi", algorithm: "MANUAL", coding: { type: { value: "41216001", scheme: "SCT", meaning: "Prostate" } } });
    expect(object.color?.map((value, at) => Math.abs(value - [10, 20, 30][at]) <= 2)).toEqual([true, true, true]);
  });

  it("are refused on the grid of another series, and when they are no segmentation or cut off", async () => {
    const bytes = await readFile(join(fixtures, "seg", "liver.dcm"));
    const { volume, ...rest } = await volumeOf("pet_seg");
    await expect((await readSeg(bytes)).mask(1, { ...rest, ...volume })).rejects.toMatchObject({ code: "bad_volume" });
    await expect((await readSeg(bytes)).mask(1, { shape: volume.shape, geometry: volume.geometry })).rejects.toMatchObject({ code: "bad_volume" });
    const [image] = await readdir(join(fixtures, "dicom", "ct_3slice_seg"));
    await expect(readSeg(await readFile(join(fixtures, "dicom", "ct_3slice_seg", image)))).rejects.toThrow(/no segmentation/);
    await expect(readSeg(bytes.subarray(0, bytes.length - 5000))).rejects.toMatchObject({ code: "bad_volume" });
  });
});
