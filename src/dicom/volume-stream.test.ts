import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ctSeries } from "../../test/archive/series.js";
import { fileDigest } from "../imaging/digest.js";
import { writeNifti } from "../imaging/nifti-write.js";
import { SeriesAssembler } from "./assembler.js";
import { DigestThread } from "./digest-thread.js";
import { parseInstance } from "./instance.js";
import { readSeries } from "./series.js";
import type { ArrivedSlice } from "./types.js";

const fixtures = join(import.meta.dirname, "..", "..", "test", "fixtures", "dicom");
let folder: string;
const digests = new DigestThread();
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-volume-stream-"));
});
afterAll(async () => {
  await digests.close();
  await rm(folder, { recursive: true, force: true });
});

async function fixture(name: string): Promise<Buffer[]> {
  const at = join(fixtures, name);
  return Promise.all((await readdir(at)).filter((file) => file.endsWith(".dcm")).map((file) => readFile(join(at, file))));
}

interface Streamed {
  readonly straight: boolean;
  readonly slices: readonly ArrivedSlice[];
}

/** As an archive sends them: each file in the memory of the one before it. The file that was made is compared with that of readSeries. */
async function stream(files: readonly Buffer[], count = files.length): Promise<Streamed> {
  const memory = Buffer.alloc(Math.max(...files.map(({ length }) => length)) + 2);
  const [whole, path] = [join(folder, "whole.nii"), join(folder, "streamed.nii")];
  const assembler = new SeriesAssembler({ onlyFirst: true });
  const slices: ArrivedSlice[] = [];
  let going = true;
  try {
    for (const file of files) {
      const lent = memory.subarray(0, file.copy(memory));
      const slice: ArrivedSlice | null = going ? await assembler.takeLent(await parseInstance(lent, { lent: true }), { count, digests, room: () => Promise.resolve(path) }) : null;
      going = slice !== null;
      if (slice) slices.push(slice);
      else slices.push(...await assembler.add(file));
    }
    memory.fill(0xee);
    const early = await assembler.finishStream();
    // A slice that is in the file is there to be used, too.
    for (const slice of slices) await slice.volume();
    const { source, digest } = early ?? await assembler.write(path, digests);
    const { volumes: [{ volume, ...rest }] } = await readSeries(files);
    await writeNifti(volume, whole, { gzip: false });
    expect((await readFile(path)).equals(await readFile(whole))).toBe(true);
    expect(digest).toBe(await fileDigest(whole));
    expect(source).toEqual({ ...rest, shape: volume.shape, geometry: volume.geometry });
    for (const slice of slices) {
      const k = source.slices.findIndex((other) => isDeepStrictEqual(other, slice.source));
      const area = volume.shape[0] * volume.shape[1];
      const { voxels, slope, intercept } = await slice.volume();
      const first = k * area;
      expect(k < 0 || voxels.every((value, pixel) => Math.fround(slope * value + intercept) === Math.fround(volume.slope * volume.voxels[first + pixel] + volume.intercept))).toBe(true);
    }
    return { straight: early !== null, slices };
  } finally {
    await assembler.close();
  }
}

const files = (...args: Parameters<typeof ctSeries>) => ctSeries(...args).map(({ file }) => file);
const at = (z: number) => ({ ImagePositionPatient: [-10, -20, z] });
const unsigned = (bits: number, others: (k: number) => Record<string, unknown> = () => ({})) => (k: number) => ({ BitsStored: bits, HighBit: bits - 1, PixelRepresentation: 0, ...others(k) });
const turned = <T>(list: readonly T[]) => [...list].reverse();

/** Sets a bit of the last pixel. */
function withBit(file: Buffer, bit: number): Buffer {
  const copy = Buffer.from(file);
  copy.writeUInt16LE(copy.readUInt16LE(copy.length - 2) | (1 << bit), copy.length - 2);
  return copy;
}

describe("a volume that goes into its file while its slices come", () => {
  it.each<[string, () => readonly Buffer[], number?]>([
    ["signed words with an offset", () => files(13, 16, -1024)],
    ["pieces of several slices, the last one not full", () => files(9, 512, -1024)],
    ["from the other end", () => turned(files(9, 512, -1024))],
    ["words as they are", () => files(5)],
    ["words as they are, from the other end", () => turned(files(5))],
    ["12 bits with an offset", () => files(7, 16, -1024, unsigned(12))],
    ["16 bits without sign, whose values fit with the offset", () => files(7, 16, -1024, unsigned(16))],
    ["an offset and a slope beside the words", () => files(4, 16, 0.5, () => ({ RescaleSlope: 2.25 }))],
    ["two slices", () => files(2)],
    ["slices that lie unevenly, one of them missing", () => files(6, 16, -1024, (k) => at([0, 2, 4.1, 8, 10, 12][k]))],
    ["a spacing that no number holds exactly", () => files(11, 16, -1024, (k) => at(Number((0.1 + 0.7 * k).toFixed(1))))],
    ["more announced than there are", () => files(6, 16, -1024), 8],
    ["an odd number of pixels", () => files(5, 15, -1024)],
    ["an odd number of pixels from the other end, the last piece not full", () => turned(files(5, 513, -1024))],
    ["oblique slices", () => files(5, 16, -1024, (k) => ({ ImageOrientationPatient: [0.8, 0.6, 0, 0, 0, -1], ImagePositionPatient: [6 * k, -8 * k, 5] }))],
  ])("is the file that the whole series makes: %s", async (_what, make, count) => {
    expect((await stream(make(), count)).straight).toBe(true);
  });

  it.each<[string, () => readonly Buffer[] | Promise<readonly Buffer[]>, number?]>([
    ["an order that is none", () => [3, 0, 2, 1, 4].map((k) => files(5, 16, -1024)[k])],
    ["an order that turns round", () => [0, 1, 2, 5, 4, 3].map((k) => files(6, 16, -1024)[k])],
    ["fewer from the other end than announced", () => turned(files(4, 16, -1024)), 6],
    ["fewer announced than there are", () => files(6, 16, -1024), 4],
    ["nothing announced", () => files(6, 16, -1024), 0],
    ["one slice", () => files(1, 16, -1024)],
    ["a sum that does not fit, in the last slice", () => files(6, 16, -1024).map((file, k) => (k === 5 ? withMinimum(file) : file))],
    ["a sum that does not fit, from the other end", () => turned(files(6, 16, -1024).map((file, k) => (k === 2 ? withMinimum(file) : file)))],
    ["something above the bits of a sample", () => files(6, 16, -1024, unsigned(12)).map((file, k) => (k === 3 ? withBit(file, 14) : file))],
    ["a localiser at the end", () => [...files(6, 16, -1024), ...files(7, 16, -1024, (k) => ({ ...at(900 + k), ImageOrientationPatient: [0, 1, 0, 0, 0, -1], ImageType: ["ORIGINAL", "PRIMARY", "LOCALIZER"] })).slice(6)]],
    ["another rescale in the middle", () => files(6, 16, -1024, (k) => ({ RescaleSlope: k === 3 ? 2 : 1 }))],
    ["two images of each place, one acquisition after the other", () => files(8, 16, -1024, (k) => ({ ...at(2 * (k % 4)), AcquisitionNumber: 1 + Math.floor(k / 4) }))],
    ["a copy of an image under another identifier", () => [...files(5, 16, -1024), withUid(files(5, 16, -1024)[1], ".2", ".9")]],
    ["two acquisitions between each other", () => files(8, 16, -1024, (k) => ({ ...at(k % 2 === 0 ? 2 * k : 2 * k - 1.5), AcquisitionNumber: 1 + (k % 2) }))],
    ["bright and dark turned round", () => files(5, 16, 0, () => ({ PhotometricInterpretation: "MONOCHROME1", Modality: "MR", SOPClassUID: "1.2.840.10008.5.1.4.1.1.4" }))],
    ["a rescale for every slice", () => fixture("pet_seg")],
    ["compressed", () => fixture("ct_j2k_series")],
    ["run lengths", () => fixture("mr_series_rle")],
  ])("is made of all slices where it has to be, which are given back as they came: %s", async (_what, make, count) => {
    expect((await stream(await make(), count)).straight).toBe(false);
  });

  it.each(["ct_3slice_seg", "ct_gantry_tilt", "mr_oblique_t2"])("is the file that the whole series makes, in any order of the files: %s", async (name) => {
    const all = await fixture(name);
    await stream(all);
    await stream(turned(all));
  });
});

/** Sets the last pixel to the smallest signed word. */
function withMinimum(file: Buffer): Buffer {
  const copy = Buffer.from(file);
  copy.writeInt16LE(-32_768, copy.length - 2);
  return copy;
}

/** Another identifier of the same length. */
function withUid(file: Buffer, from: string, to: string): Buffer {
  const copy = Buffer.from(file);
  const uid = "1.2.826.0.1.3680043.10.1.1";
  for (let found = copy.indexOf(uid + from); found >= 0; found = copy.indexOf(uid + from, found + 1)) copy.write(uid + to, found, "latin1");
  return copy;
}
