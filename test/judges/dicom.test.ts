/**
 * Our DICOM reader against pydicom and SimpleITK: voxel for voxel and corner for corner, on the fixtures and on series that
 * dicom_variants.py makes. One run of dicom_judge.py reads everything.
 */
import { execFile } from "node:child_process";
import { mkdtemp, open, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DecoderPool } from "../../src/dicom/codecs/pool.js";
import { readSeries } from "../../src/dicom/series.js";
import type { Series, SeriesVolume } from "../../src/dicom/types.js";
import type { Vec3 } from "../../src/imaging/affine.js";
import { lpsFrame, spacing } from "../../src/imaging/geometry.js";
import { realVoxels } from "../../src/imaging/volume.js";

interface TrueFrame {
  readonly file: string;
  readonly uid: string;
  readonly frame: number;
  readonly rows: number;
  readonly columns: number;
  /** LPS of the first pixel, the last of the first row, the first of the last row, and the last; null without a place. */
  readonly corners: readonly Vec3[] | null;
  readonly at: number;
  readonly syntax: string;
}

interface Case {
  readonly folder: string;
  readonly frames: readonly TrueFrame[];
  readonly itk: { readonly size: Vec3; readonly corners: readonly Vec3[]; readonly at: number } | null;
}

interface Expected {
  /** Slices of each volume; one volume of all frames when not given. */
  readonly slices?: readonly number[];
  readonly notes?: readonly RegExp[];
  readonly skipped?: RegExp;
  readonly error?: RegExp;
  /** Why ITK sees something else. */
  readonly notItk?: string;
  readonly units?: string;
}

const fixtures = join(import.meta.dirname, "..", "fixtures", "dicom");
/** Every file of these folders is a series of its own. */
const single = ["enhanced_multiframe", "transfer_syntax_ct", "transfer_syntax_misc"];
const lone = [/do not say where they lie/];

const cases: Record<string, Expected> = {
  implicit: {}, big_endian: {}, big_endian_8: {}, deflated: {}, rle: {}, rle_8: {}, jpeg_ls_signed: {}, j2k_signed: {}, j2k_12: {}, no_preamble: {},
  signed_16: {}, signed_12: {}, unsigned_16: {}, dirty_high_bits: {}, signed_8: {}, unsigned_32: { notItk: "it reads 32 bits as floats" },
  oblique: {}, reversed: {}, mirrored_columns: {}, single: {},
  tilted: { notes: [/17\.2 degrees off their normal/], notItk: "it drops the tilt" },
  same_uid_twice: { slices: [7], notes: [/2 image\(s\) came twice/], notItk: "it stacks copies" },
  other_uid_twice: { slices: [7], notes: [/2 image\(s\) came twice/], skipped: /copy of another/, notItk: "it stacks copies" },
  same_uid_other_pixels: { error: /same SOP Instance UID but hold different images/ },
  missing: { notes: [/2 slice\(s\) seem to be missing between slices 3 and 4 of 8/, /not evenly spaced/] },
  uneven: { notes: [/not evenly spaced/] },
  monochrome1_mr: { notes: [/MONOCHROME1/] },
  monochrome1_ct: { notItk: "it turns Hounsfield units round" },
  pet_rescale_per_slice: { units: "BQML" },
  fractional_rescale: {},
  localizer_inside: { slices: [7, 2], notes: [/2 volumes.*number 1/], notItk: "it stacks everything" },
  localizer_same_way: { slices: [7, 9], notes: [/2 volumes.*number 1/], notItk: "it stacks everything" },
  two_orientations: { slices: [7, 4], notes: [/2 volumes/], notItk: "it stacks everything" },
  two_sizes: { slices: [5, 3], notes: [/2 volumes/] },
  two_acquisitions: { slices: [7, 7], notes: [/acquisition 1/], notItk: "it stacks everything" },
  interleaved_acquisitions: { slices: [7, 7], notes: [/acquisition 1/], notItk: "it stacks everything" },
  joined_acquisitions: { slices: [14] },
  two_echoes: { slices: [5, 5], notes: [/echo time 10/], notItk: "it stacks everything" },
  by_number_only: { slices: [7, 7], notes: [/image 1/], notItk: "it stacks everything" },
  nothing_tells: { error: /several images lie at one place/ },
  enhanced: {}, enhanced_rescale: {}, enhanced_j2k: {}, enhanced_fragments: {},
  enhanced_echoes: { slices: [4, 4], notes: [/echo time 10/] },
  rgb: { notes: lone }, rgb_planar: { notes: lone }, rgb_rle: { notes: lone }, ybr_full: { notes: lone }, ybr_422: { notes: lone },
  palette: { notes: lone }, us_monochrome: { notes: lone, notItk: "it sorts by file name" },
  no_position: { error: /3 images of modality CT do not say where they lie/ },
  ct_3slice_seg: {}, ct_j2k_series: {}, mr_oblique_t2: {}, mr_rtstruct: {}, mr_sagittal_t2_part: {},
  mr_series_rle: {}, mr_series_jpegls: {}, mr_series_j2k: {}, mr_series_jpeg: {}, pet_seg: { units: "BQML" },
  ct_gantry_tilt: { notes: [/not evenly spaced/, /18\.5 degrees off their normal/], notItk: "it drops the tilt" },
};

let folder: string;
let truth: Record<string, Case>;
let blob: Float32Array;
let decoder: DecoderPool;

beforeAll(async () => {
  const python = process.env.LIMNET_JUDGES_PYTHON;
  if (!python) throw new Error("LIMNET_JUDGES_PYTHON is not set: run `npm test`, or set it to a Python with the packages of scripts/judges/requirements.txt.");
  decoder = new DecoderPool({ threads: 2 });
  folder = await mkdtemp(join(tmpdir(), "limnet-dicom-"));
  await promisify(execFile)(python, [join(import.meta.dirname, "dicom_judge.py"), folder, fixtures], { timeout: 150_000, maxBuffer: 1e8 });
  truth = JSON.parse(await readFile(join(folder, "truth.json"), "utf8")) as Record<string, Case>;
  const file = await open(join(folder, "truth.bin"));
  const bytes = new Uint8Array((await file.stat()).size);
  await file.read(bytes, 0, bytes.length, 0);
  await file.close();
  blob = new Float32Array(bytes.buffer);
}, 200_000);
afterAll(async () => {
  await decoder?.close();
  await rm(folder ?? "", { recursive: true, force: true });
});

const filesOf = async (path: string) => Promise.all((await readdir(path)).filter((name) => name.endsWith(".dcm")).sort().map((name) => readFile(join(path, name))));

/** The frame that a slice came from; one fixture has lost its UIDs and is known by its places. */
function frameOf(frames: readonly TrueFrame[], { sopInstanceUid, frame, position }: SeriesVolume["slices"][number]): TrueFrame {
  const here = (one: TrueFrame) => sopInstanceUid !== "" || Math.abs(one.corners![0][2] - position!.superior) < 1e-6;
  const found = frames.find((one) => one.uid === sopInstanceUid && one.frame === frame && here(one));
  if (!found) throw new Error(`nobody else saw frame ${frame} of ${sopInstanceUid}`);
  return found;
}

const apart = (a: readonly number[], b: readonly number[]) => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);

/** @param allowed largest difference of a value, for lossy codecs and roundings of colours */
function compare({ volume, info, slices }: SeriesVolume, frames: readonly TrueFrame[], allowed = 0): void {
  const [columns, rows, count] = volume.shape;
  const values = realVoxels(volume);
  const { origin, steps } = lpsFrame(volume.geometry);
  expect(slices.length).toBe(count);
  let last = -Infinity;
  for (const [k, slice] of slices.entries()) {
    const frame = frameOf(frames, slice);
    expect([frame.columns, frame.rows]).toEqual([columns, rows]);
    const area = columns * rows;
    let worst = 0;
    for (let at = 0; at < area; at++) {
      const expected = blob[frame.at / 4 + at];
      const off = Math.abs(values[k * area + at] - expected);
      if (!(off <= Math.abs(expected) * 1e-6)) worst = Math.max(worst, off);
    }
    expect(worst, `slice ${k}`).toBeLessThanOrEqual(allowed);
    if (!frame.corners) continue;
    const { left, posterior, superior } = slice.position!;
    expect(apart([left, posterior, superior], frame.corners[0])).toBeLessThan(1e-6);
    for (const [corner, [i, j]] of [[0, 0], [columns - 1, 0], [0, rows - 1], [columns - 1, rows - 1]].entries()) {
      const at = [0, 1, 2].map((axis) => origin[axis] + steps[0][axis] * i + steps[1][axis] * j + steps[2][axis] * k);
      expect(apart(at, frame.corners[corner])).toBeLessThan(info.deviationMm + 2e-3);
    }
    const [u, v] = [steps[0], steps[1]];
    const along = (u[1] * v[2] - u[2] * v[1]) * left + (u[2] * v[0] - u[0] * v[2]) * posterior + (u[0] * v[1] - u[1] * v[0]) * superior;
    expect(along).toBeGreaterThan(last);
    last = along;
  }
  if (info.even) expect(info.deviationMm).toBeLessThanOrEqual(0.05 * spacing(volume.geometry)[2] + 1e-9);
}

function compareItk({ volume }: SeriesVolume, itk: NonNullable<Case["itk"]>): void {
  expect(volume.shape).toEqual(itk.size);
  const values = realVoxels(volume);
  let wrong = 0;
  for (let at = 0; at < values.length; at++) {
    const expected = blob[itk.at / 4 + at];
    if (!(Math.abs(values[at] - expected) <= Math.abs(expected) * 1e-6)) wrong++;
  }
  expect(wrong).toBe(0);
  const { origin, steps } = lpsFrame(volume.geometry);
  const single = volume.shape[2] === 1;
  for (const [bits, corner] of itk.corners.entries()) {
    const index = volume.shape.map((size, axis) => (bits >> axis & 1 ? size - 1 : 0));
    const at = [0, 1, 2].map((axis) => origin[axis] + steps[0][axis] * index[0] + steps[1][axis] * index[1] + steps[2][axis] * index[2]);
    if (!single || index[2] === 0) expect(apart(at, corner)).toBeLessThan(5e-3);
  }
}

describe("a series", () => {
  it("is judged wherever there is one", () => {
    expect(Object.keys(truth).sort()).toEqual([...Object.keys(cases), ...single].sort());
  });

  it.each(Object.entries(cases))("%s is what other readers see", async (name, expected) => {
    const { frames, itk, folder: place } = truth[name];
    const reading = readSeries(await filesOf(place), { decoder });
    if (expected.error) {
      await expect(reading).rejects.toMatchObject({ code: "bad_volume", message: expect.stringMatching(expected.error) as string });
      return;
    }
    const series: Series = await reading;
    expect(series.volumes.map(({ volume }) => volume.shape[2])).toEqual(expected.slices ?? [frames.length]);
    // Grey of colours is rounded.
    for (const volume of series.volumes) compare(volume, frames, /^(rgb|palette)/.test(name) ? 0.51 : 0);
    const [first] = series.volumes;
    expect(first.info.notes).toHaveLength(expected.notes?.length ?? 0);
    for (const [at, note] of (expected.notes ?? []).entries()) expect(first.info.notes[at]).toMatch(note);
    for (const { reason } of series.skipped) expect(reason).toMatch(expected.skipped ?? /^$/);
    if (expected.units !== undefined) expect(first.info.units).toBe(expected.units);
    if (itk && !expected.notItk) compareItk(first, itk);
  });

  it.each(single)("is every file of %s", async (name) => {
    const seen: string[] = [];
    for (const frame of truth[name].frames.filter(({ frame }) => frame === 1)) {
      const bytes = await readFile(join(fixtures, name, frame.file));
      const frames = truth[name].frames.filter(({ file }) => file === frame.file);
      const reading = readSeries([bytes], { decoder });
      if (frame.syntax === "1.2.840.10008.1.2.4.51") {
        await expect(reading).rejects.toMatchObject({ code: "unsupported_transfer_syntax", message: expect.stringContaining("Explicit VR Little Endian") as string });
      } else if (frame.file.startsWith("liver")) {
        await expect(reading).rejects.toMatchObject({ code: "bad_volume", message: expect.stringContaining("a segmentation, not a scan") as string });
      } else {
        const { volumes } = await reading;
        // Two decoders of lossy JPEG differ by one step; grey of colours is rounded.
        compare(volumes[0], frames, frame.syntax.endsWith(".4.50") ? 32.2 : frame.file.includes("RGB") ? 1 : 0);
        seen.push(frame.syntax);
      }
    }
    expect(seen.length).toBeGreaterThan(0);
  });
});

describe("values of PET", () => {
  it("are SUV by body weight when asked for", async () => {
    const { frames, folder: place } = truth.pet_rescale_per_slice;
    const { volumes: [{ volume, info, slices }] } = await readSeries(await filesOf(place), { suv: true });
    expect(info.units).toBe("SUVbw");
    // 70 kg, 350 MBq, one hour at a half-life of 6586.2 s.
    const factor = 70_000 / (350e6 * 2 ** (-3600 / 6586.2));
    const values = realVoxels(volume);
    const area = volume.shape[0] * volume.shape[1];
    for (const [k, slice] of slices.entries()) expect(values[k * area + 5] / (blob[frameOf(frames, slice).at / 4 + 5] * factor)).toBeCloseTo(1, 5);
  });

  it("stay as they are, and say so, where the series does not say enough", async () => {
    const { volumes: [{ info }] } = await readSeries(await filesOf(truth.pet_seg.folder), { suv: true });
    expect(info.units === "SUVbw" || info.notes.some((note) => note.startsWith("The values are not turned into SUV"))).toBe(true);
  });
});
