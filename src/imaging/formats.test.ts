import { copyFile, readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fixtures, niftiHeader, orientations, randomGeometry, seeded, temporaryFolder, volumeOf } from "../../test/fixtures/imaging/make.js";
import { arrayOf, dtypeOf, type HeldDtype } from "./dtype.js";
import { axisCodes, sameGrid, voxelToRas } from "./geometry.js";
import { writeNifti } from "./nifti-write.js";
import { writeNrrd } from "./nrrd-write.js";
import { readHeader, readVolume } from "./read.js";
import type { Volume, Voxels } from "./volume.js";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => { folder = await temporaryFolder(); });
afterAll(() => folder.remove());

async function throughNifti(volume: Volume, gzip: boolean): Promise<Volume> {
  const path = folder.path(gzip ? "a.nii.gz" : "a.nii");
  await writeNifti(volume, path, { gzip });
  return readVolume(path);
}

async function throughNrrd(volume: Volume, encoding: "raw" | "gzip"): Promise<Volume> {
  await writeNrrd(volume, folder.path("a.nrrd"), { encoding });
  return readVolume(folder.path("a.nrrd"));
}

/** toEqual takes a third of a second for every pair of arrays. */
function same({ voxels, ...rest }: Volume, { voxels: wanted, ...others }: Volume): void {
  expect(rest).toEqual(others);
  expect(dtypeOf(voxels)).toBe(dtypeOf(wanted));
  expect(Buffer.compare(new Uint8Array(voxels.buffer), new Uint8Array(wanted.buffer))).toBe(0);
}

describe("one head in ten axis orders", () => {
  test.each(orientations)("%s is read with the axes of its name and survives NIfTI and NRRD", async (name) => {
    const path = `${fixtures}${name}.nii.gz`;
    const volume = await readVolume(path);
    expect(axisCodes(volume.geometry)).toBe(name);
    expect(await readHeader(path)).toEqual({ shape: volume.shape, geometry: volume.geometry, dtype: "uint8" });
    for (const gzip of [true, false]) same(await throughNifti(volume, gzip), volume);
    const stored = { ...volume, slope: 1 };
    for (const encoding of ["raw", "gzip"] as const) same(await throughNrrd(stored, encoding), stored);
  });

  test("a place in the patient holds the same value in all ten", async () => {
    const ras = await readVolume(`${fixtures}RAS.nii.gz`);
    for (const name of orientations) {
      const { voxels, shape, geometry } = await readVolume(`${fixtures}${name}.nii.gz`);
      const values = new Map<string, number>();
      const keyOf = (g: Volume["geometry"], i: number, j: number, k: number) => {
        const { x, y, z } = voxelToRas(g, [i, j, k]);
        return [x, y, z].map((mm) => Math.round(mm)).join();
      };
      let at = 0;
      for (let k = 0; k < shape[2]; k++) for (let j = 0; j < shape[1]; j++) for (let i = 0; i < shape[0]; i++) values.set(keyOf(geometry, i, j, k), voxels[at++]);
      let other = 0;
      at = 0;
      for (let k = 0; k < ras.shape[2]; k++) for (let j = 0; j < ras.shape[1]; j++) for (let i = 0; i < ras.shape[0]; i++) {
        if (values.get(keyOf(ras.geometry, i, j, k)) !== ras.voxels[at++]) other++;
      }
      expect(other).toBe(0);
    }
  });
});

describe("writing and reading again", () => {
  test.each(Object.keys(arrayOf) as HeldDtype[])("%s keeps its type and values", async (dtype) => {
    const volume = volumeOf(new arrayOf[dtype](60), [3, 4, 5], randomGeometry(seeded(5)));
    for (const copy of [await throughNifti(volume, true), await throughNrrd(volume, "raw"), await throughNrrd(volume, "gzip")]) {
      expect(dtypeOf(copy.voxels)).toBe(dtype);
      expect(copy.voxels).toEqual(volume.voxels);
    }
  });

  test("NRRD keeps every bit of a grid, NIfTI what float32 holds", async () => {
    const random = seeded(6);
    for (let round = 0; round < 20; round++) {
      const volume = volumeOf(new Uint8Array(60), [3, 4, 5], randomGeometry(random, round % 2 ? 0.2 : 0));
      expect((await throughNrrd(volume, "raw")).geometry).toEqual(volume.geometry);
      expect(sameGrid(volume, await throughNifti(volume, false), 1e-3)).toBe(true);
    }
  });

  test("qform and sform of a written file say the same, mirrored or not", async () => {
    const random = seeded(7);
    for (let round = 0; round < 60; round++) {
      const volume = volumeOf(new Uint8Array(60), [3, 4, 5], randomGeometry(random));
      await writeNifti(volume, folder.path("q.nii"), { gzip: false });
      const bytes = await readFile(folder.path("q.nii"));
      expect([bytes.readInt16LE(252), bytes.readInt16LE(254)]).toEqual([1, 1]);
      bytes.writeInt16LE(0, 254); // Without the sform, the qform counts.
      expect(sameGrid(volume, await readVolume(await folder.write("q2.nii", bytes)), 2e-3)).toBe(true);
    }
  });

  test("a sheared grid has no qform, as a rotation cannot say it", async () => {
    await writeNifti(volumeOf(new Uint8Array(60), [3, 4, 5], randomGeometry(seeded(8), 0.3)), folder.path("s.nii"), { gzip: false });
    const bytes = await readFile(folder.path("s.nii"));
    expect([bytes.readInt16LE(252), bytes.readInt16LE(254)]).toEqual([0, 1]);
  });

  test("slope and intercept stay with NIfTI; NRRD, which has none, gets real values", async () => {
    const volume = { ...volumeOf(new Int16Array(60), [3, 4, 5], randomGeometry(seeded(9))), slope: 0.5, intercept: -1024 };
    const nifti = await throughNifti(volume, true);
    expect([nifti.slope, nifti.intercept, nifti.voxels]).toEqual([0.5, -1024, volume.voxels]);
    const nrrd = await throughNrrd(volume, "raw");
    expect(nrrd.voxels).toEqual(Float32Array.from(volume.voxels as Int16Array, (value) => 0.5 * value - 1024));
  });

  test("an axis too long for NIfTI is refused with another format to ask for", async () => {
    const volume = volumeOf(new Uint8Array(40000), [40000, 1, 1], randomGeometry(seeded(1)));
    await expect(writeNifti(volume, folder.path("l.nii"), { gzip: false })).rejects.toMatchObject({ code: "unsupported_output" });
    expect((await throughNrrd(volume, "gzip")).shape).toEqual([40000, 1, 1]);
  });
});

describe("what a file is, its bytes say and not its name", () => {
  test("a compressed NIfTI named .nrrd and a MetaImage named .nii.gz are read", async () => {
    await copyFile(`${fixtures}RAS.nii.gz`, folder.path("liar.nrrd"));
    await copyFile(`${fixtures}oblique.mha`, folder.path("liar.nii.gz"));
    expect((await readVolume(folder.path("liar.nrrd"))).shape).toEqual([26, 32, 28]);
    expect((await readVolume(folder.path("liar.nii.gz"))).shape).toEqual([3, 4, 5]);
  });

  test("a file that ITK wrote as MetaImage and as NRRD is the same volume", async () => {
    const [mha, nrrd] = await Promise.all(["mha", "nrrd"].map((ext) => readVolume(`${fixtures}oblique.${ext}`)));
    expect(mha.voxels).toEqual(nrrd.voxels);
    expect(mha.voxels[1 + 3 * (2 + 4 * 3)]).toBe(1 + 20 + 300);
    expect(sameGrid(mha, nrrd, 1e-9)).toBe(true);
    expect(mha.geometry.affine[3]).toBe(10);
  });
});

describe("samples", () => {
  const words: [string, number, number, (view: DataView, at: number, value: number, little: boolean) => void][] = [
    ["int16", 4, 2, (view, at, value, little) => view.setInt16(at, value, little)],
    ["uint16", 512, 2, (view, at, value, little) => view.setUint16(at, value, little)],
    ["int32", 8, 4, (view, at, value, little) => view.setInt32(at, value, little)],
    ["uint32", 768, 4, (view, at, value, little) => view.setUint32(at, value, little)],
    ["float32", 16, 4, (view, at, value, little) => view.setFloat32(at, value, little)],
    ["float64", 64, 8, (view, at, value, little) => view.setFloat64(at, value, little)],
    ["int64", 1024, 8, (view, at, value, little) => view.setBigInt64(at, BigInt(value), little)],
    ["uint64", 1280, 8, (view, at, value, little) => view.setBigUint64(at, BigInt(value), little)],
  ];
  async function read(code: number, size: number, set: (typeof words)[number][3], values: number[], bigEndian: boolean): Promise<Voxels> {
    const view = new DataView(new ArrayBuffer(size * values.length));
    values.forEach((value, at) => { set(view, at * size, value, !bigEndian); });
    const header = niftiHeader({ dims: [3, values.length, 1, 1], code, bits: 8 * size, bigEndian });
    return (await readVolume(await folder.write("w.nii", header, new Uint8Array(view.buffer)))).voxels;
  }

  test.each(words)("%s is read in both byte orders", async (_, code, size, set) => {
    for (const bigEndian of [false, true]) expect([...(await read(code, size, set, [0, 1, 258, 30000], bigEndian))]).toEqual([0, 1, 258, 30000]);
  });

  test("64-bit integers become int32 where all fit and float64 otherwise", async () => {
    const [, code, size, set] = words[6];
    const [, unsignedCode, , setUnsigned] = words[7];
    for (const [values, type] of [
      [[-1, -(2 ** 31), 2 ** 31 - 1], Int32Array], [[-1, 2 ** 31], Float64Array], [[-(2 ** 31) - 1, 5], Float64Array], [[2 ** 53, -(2 ** 53)], Float64Array],
    ] as const) {
      const voxels = await read(code, size, set, [...values], false);
      expect(voxels).toEqual(type.from(values));
    }
    expect(await read(unsignedCode, size, setUnsigned, [2 ** 31, 2 ** 63], true)).toEqual(Float64Array.from([2 ** 31, 2 ** 63]));
    expect(await read(unsignedCode, size, setUnsigned, [7, 2 ** 31 - 1], true)).toEqual(Int32Array.from([7, 2 ** 31 - 1]));
  });
});
