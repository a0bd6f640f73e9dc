import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeNifti } from "../imaging/nifti-write.js";
import { readVolume } from "../imaging/read.js";
import { exportLabel } from "./export.js";
import { codeTableSchema } from "./seg/codes.js";
import { segmentsOfFile } from "./seg/from-file.js";
import { fakeSeries } from "./seg/testing.js";

const source = fakeSeries({ shape: [9, 8, 5] });
const codes = codeTableSchema.parse({ liver: { type: "10200004 Liver", color: [1, 2, 3] } });
const making = { version: "0", time: new Date(0) };
const labels = Uint8Array.from({ length: 360 }, (_, at) => (at % 7 === 0 ? 2 : at % 5 === 0 ? 7 : 0));

let folder: string;
beforeAll(async () => { folder = await mkdtemp(join(tmpdir(), "limnet-export-")); });
afterAll(() => rm(folder, { recursive: true, force: true }));

async function nifti(voxels: Uint8Array | Float32Array): Promise<string> {
  const path = join(folder, "label.nii.gz");
  await writeNifti({ voxels, shape: source.shape, geometry: source.geometry, slope: 1, intercept: 0 }, path, { gzip: true });
  return path;
}

describe("a label file", () => {
  it("becomes one segment a value, named by the client and coded by the app", async () => {
    const segments = await segmentsOfFile({ path: await nifti(labels), labelInfo: [{ name: "Liver", idx: 2 }, { name: "Ding", idx: 7 }], codes, algorithm: "SEMIAUTOMATIC" }, source);
    expect(segments.map(({ name, value, coding }) => [name, value, coding.type.value])).toEqual([["Liver", 2, "10200004"], ["Ding", 7, "Ding"]]);
    expect(segments[0].labels).toEqual(labels);
  });

  it("keeps values that nobody named apart", async () => {
    const segments = await segmentsOfFile({ path: await nifti(Float32Array.from(labels)), names: { 7: "liver" }, codes, algorithm: "MANUAL" }, source);
    expect(segments.map(({ name }) => name)).toEqual(["Segment_2", "liver"]);
  });

  it("is refused when it holds no labels", async () => {
    await expect(segmentsOfFile({ path: await nifti(Float32Array.from(labels, (value) => value / 2)), codes, algorithm: "MANUAL" }, source)).rejects.toMatchObject({ code: "bad_volume" });
  });
});

describe("an exported label", () => {
  it("comes back from .seg.nrrd with names, codes, colours and overlaps", async () => {
    const other = Uint8Array.from(labels, (_, at) => (at < 200 ? 1 : 0));
    const [liver, thing] = await segmentsOfFile({ path: await nifti(labels), labelInfo: [{ name: "Leber \\ links\nunten", idx: 2 }, { name: "liver", idx: 7 }], codes, algorithm: "MANUAL" }, source);
    const path = join(folder, "out.seg.nrrd");
    await exportLabel([liver, { ...thing, labels: other, value: 1 }], source, null, "seg.nrrd", making, path);
    const again = await segmentsOfFile({ path, codes: {}, algorithm: "MANUAL" }, source);
    expect(again.map(({ name, coding, color }) => [name, coding.type.value, color])).toEqual([["Leber \\ links\nunten", liver.coding.type.value, [128, 174, 128]], ["liver", "10200004", [1, 2, 3]]]);
    expect(Array.from(again[0].labels, Number)).toEqual(Array.from(labels, (value) => (value === 2 ? 2 : 0)));
    expect(Array.from(again[1].labels, Number)).toEqual(Array.from(other, Number));
  });

  it("is numbered from 1 in NIfTI and NRRD, unless objects overlap", async () => {
    const segments = await segmentsOfFile({ path: await nifti(labels), codes, algorithm: "MANUAL" }, source);
    for (const format of ["nrrd", "nii.gz"] as const) {
      const path = join(folder, `out.${format}`);
      await exportLabel(segments, source, null, format, making, path);
      expect(Array.from((await readVolume(path)).voxels)).toEqual(Array.from(labels, (value) => [0, 0, 1, 0, 0, 0, 0, 2][value]));
      const overlapping = [segments[0], { ...segments[1], labels: new Uint8Array(360).fill(1), value: 1 }];
      await expect(exportLabel(overlapping, source, null, format, making, path)).rejects.toMatchObject({ code: "unsupported_output" });
    }
  });

  it("is DICOM only where the image is", async () => {
    const segments = await segmentsOfFile({ path: await nifti(labels), codes, algorithm: "MANUAL" }, source);
    const path = join(folder, "out.dcm");
    for (const format of ["dicom_seg", "dicom_labelmap", "rtstruct"] as const) {
      await exportLabel(segments, source, source, format, making, path);
      expect((await readFile(path)).toString("latin1", 128, 132)).toBe("DICM");
      await expect(exportLabel(segments, source, null, format, making, path)).rejects.toMatchObject({ code: "unsupported_output" });
    }
    await writeFile(path, "");
    await expect(exportLabel([], source, source, "dicom_seg", making, path)).rejects.toMatchObject({ code: "bad_params" });
  });
});
