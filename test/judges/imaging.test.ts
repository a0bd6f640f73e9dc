/**
 * Our readers and writers of image files against nibabel and SimpleITK, voxel for voxel and affine for affine, in both
 * directions. One run of imaging_judge.py writes their files and reads ours.
 */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { arrayOf, type HeldDtype } from "../../src/imaging/dtype.js";
import { axisCodes, type RasAffine, sameGrid, type Shape } from "../../src/imaging/geometry.js";
import { encodeMask, maskDtypes, maskExtensions } from "../../src/imaging/mask.js";
import { writeNifti } from "../../src/imaging/nifti-write.js";
import { writeNrrd } from "../../src/imaging/nrrd-write.js";
import { readHeader, readVolume } from "../../src/imaging/read.js";
import type { Volume } from "../../src/imaging/volume.js";
import { fixtures, randomGeometry, seeded, volumeOf } from "../fixtures/imaging/make.js";

interface Judged {
  file: string;
  reader: "nibabel" | "itk";
  bin: string;
  shape: number[];
  dtype: string;
  affine: RasAffine;
  codes: string;
  slope: number;
  intercept: number;
  forms?: [number, number];
  units?: string;
  qform?: RasAffine;
  meta?: Record<string, string>;
}

let folder: string;
let judged: Judged[];
let codes: { affine: RasAffine; codes: string }[];
/** What we wrote, by file name. */
const ours = new Map<string, Volume>();

beforeAll(async () => {
  const python = process.env.LIMNET_JUDGES_PYTHON;
  if (!python) {
    throw new Error("LIMNET_JUDGES_PYTHON is not set: run `npm test`, which makes a Python with the packages of scripts/judges/requirements.txt, or set it to such a Python.");
  }
  folder = await mkdtemp(join(tmpdir(), "limnet-judges-"));
  await writeOurs(join(folder, "ours"));
  await promisify(execFile)(python, [join(import.meta.dirname, "imaging_judge.py"), folder, fixtures], { timeout: 120_000, maxBuffer: 1e8 });
  ({ files: judged, codes } = JSON.parse(await readFile(join(folder, "truth.json"), "utf8")));
}, 150_000);
afterAll(() => rm(folder ?? "", { recursive: true, force: true }));

async function writeOurs(target: string): Promise<void> {
  await mkdir(target);
  const random = seeded(30);
  const shape: Shape = [5, 6, 7];
  const keep = (name: string, volume: Volume) => {
    ours.set(name, volume);
    return join(target, name);
  };
  for (const dtype of Object.keys(arrayOf) as HeldDtype[]) {
    const volume = volumeOf(new arrayOf[dtype](210), shape, randomGeometry(random));
    await writeNifti(volume, keep(`${dtype}.nii.gz`, volume), { gzip: true });
    await writeNifti(volume, keep(`${dtype}_raw.nii`, volume), { gzip: false });
    await writeNrrd(volume, keep(`${dtype}.nrrd`, volume), { encoding: "raw" });
    await writeNrrd(volume, keep(`${dtype}_z.nrrd`, volume), { encoding: "gzip" });
  }
  for (let round = 0; round < 5; round++) {
    const sheared = volumeOf(new Uint8Array(210), shape, randomGeometry(random, 0.3));
    await writeNifti(sheared, keep(`sheared${round}.nii`, sheared), { gzip: false });
  }
  const scaled = { ...volumeOf(new Int16Array(210), shape, randomGeometry(random)), slope: 0.25, intercept: -1000 };
  await writeNifti(scaled, keep("scaled.nii.gz", scaled), { gzip: true });
  for (const extension of maskExtensions) for (const dtype of maskDtypes) for (const compress of [false, true]) {
    const mask = Uint8Array.from({ length: 210 }, () => (random() < 0.3 ? 1 : 0));
    const geometry = randomGeometry(random);
    // ITK reads a.nii where a.nii.gz was asked for and both are there: no two files share a base name.
    const path = keep(`mask${ours.size}_${dtype}${extension}`, { voxels: arrayOf[dtype].from(mask), shape, geometry, slope: 1, intercept: 0 });
    await encodeMask(mask, shape, geometry, extension, path, { dtype, compress, segNrrd: [{ name: "liver tumour", value: 1 }] });
  }
}

/** Every difference between a volume of ours and what a judge read, in words. */
async function differences(volume: Volume, judge: Judged): Promise<string[]> {
  const found: string[] = [];
  const shape = [...judge.shape, 1].slice(0, 3) as unknown as Shape;
  const bytes = await readFile(join(folder, judge.bin));
  const stored = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8);
  if (volume.shape.join() !== shape.join()) found.push(`shape ${volume.shape} and not ${shape}`);
  const at = stored.findIndex((value, index) => !Object.is(value + 0, volume.voxels[index] + 0));
  if (at >= 0 || stored.length !== volume.voxels.length) found.push(`voxel ${at} is ${volume.voxels[at]} and not ${stored[at]}`);
  if (volume.slope !== judge.slope || volume.intercept !== judge.intercept) found.push(`scale ${volume.slope}, ${volume.intercept}`);
  // NIfTI stores float32, and ITK computes with it when it reads one.
  const tolerance = judge.file.includes(".nii") ? 1e-3 : 1e-9;
  if (!sameGrid(volume, { shape: volume.shape, geometry: { affine: judge.affine } }, tolerance)) found.push(`affine ${volume.geometry.affine} and not ${judge.affine}`);
  if (axisCodes(volume.geometry) !== judge.codes) found.push(`axes ${axisCodes(volume.geometry)} and not ${judge.codes}`);
  return found.map((text) => `${basename(judge.file)} (${judge.reader}): ${text}`);
}

describe("the judges and we read the same", () => {
  test("from the fixtures and every file that nibabel and ITK write", async () => {
    const found: string[] = [];
    const files = judged.filter(({ file }) => !file.includes("/ours/"));
    expect(files.length).toBeGreaterThan(90);
    for (const judge of files) {
      found.push(...(await differences(await readVolume(judge.file), judge)));
      const header = await readHeader(judge.file);
      if (header.dtype !== judge.dtype) found.push(`${basename(judge.file)}: type ${header.dtype} and not ${judge.dtype}`);
    }
    expect(found).toEqual([]);
  });

  test("nibabel's affine of a NIfTI is ours bit for bit where it comes from an sform", async () => {
    for (const judge of judged.filter(({ forms, file }) => forms?.[1] && !file.includes("/ours/"))) {
      const { geometry } = await readHeader(judge.file);
      expect(geometry.affine.map((value) => value + 0), judge.file).toEqual(judge.affine.map((value) => value + 0));
    }
  });

  test("from every file that we write", async () => {
    const found: string[] = [];
    const files = judged.filter(({ file }) => file.includes("/ours/"));
    expect(new Set(files.map(({ file }) => basename(file)))).toEqual(new Set(ours.keys()));
    for (const judge of files) {
      const volume = ours.get(basename(judge.file))!;
      found.push(...(await differences(volume, judge)));
      if (arrayOf[judge.dtype as HeldDtype] !== volume.voxels.constructor) found.push(`${basename(judge.file)}: type ${judge.dtype}`);
    }
    expect(found).toEqual([]);
  });
});

describe("what else the judges see in files of ours", () => {
  test("NIfTI is in millimetres and its qform agrees with its sform", () => {
    for (const { file, forms, units, qform, affine, shape } of judged.filter(({ file, reader }) => reader === "nibabel" && file.includes("/ours/"))) {
      const sheared = file.includes("sheared");
      expect({ file, units, forms }).toEqual({ file, units: "mm", forms: [sheared ? 0 : 1, 1] });
      const size = shape as unknown as Shape;
      if (!sheared) expect(sameGrid({ shape: size, geometry: { affine } }, { shape: size, geometry: { affine: qform! } }, 1e-3)).toBe(true);
    }
  });

  test("a .seg.nrrd carries the name of its segment", () => {
    const files = judged.filter(({ file }) => file.endsWith(".seg.nrrd"));
    expect(files).toHaveLength(6);
    for (const { meta } of files) expect(meta).toMatchObject({ Segment0_Name: "liver tumour", Segment0_ID: "Segment_1", Segment0_LabelValue: "1", Segment0_Layer: "0", Segment0_Extent: "0 4 0 5 0 6" });
  });
});

test("axis codes are nibabel's, sheared and mirrored grids included", () => {
  expect(codes).toHaveLength(500);
  expect(codes.filter(({ affine, codes }) => axisCodes({ affine }) !== codes)).toEqual([]);
});
