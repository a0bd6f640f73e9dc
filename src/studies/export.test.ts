import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FolderDatastore } from "../datastore/folder.js";
import { silentLog } from "../datastore/log.js";
import type { ExportFormat } from "../dicom/export.js";
import { DicomLabels } from "../dicom/labels.js";
import { encodeMask } from "../imaging/mask.js";
import { geometryFrom, type Shape } from "../imaging/geometry.js";
import { writeNifti } from "../imaging/nifti-write.js";
import { readLabelLayers } from "../imaging/read.js";
import { type ExportOptions, exportLabels } from "./export.js";

const shape: Shape = [4, 3, 2];
const geometry = geometryFrom({ space: "LPS", origin: [1, 2, 3], steps: [[1, 0, 0], [0, 2, 0], [0, 0, 3]] });
const voxels = Uint8Array.from({ length: 24 }, (_, at) => at % 3);
let folder: string;
let datastore: FolderDatastore;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-export-"));
  for (const id of ["a", "b"]) await writeNifti({ voxels: new Int16Array(24), shape, geometry, slope: 1, intercept: 0 }, join(folder, `${id}.nii.gz`), { gzip: true });
  datastore = new FolderDatastore(folder, { log: silentLog });
  await datastore.start();
  for (const [id, tag] of [["a", "final"], ["a", "draft"], ["b", "final"]]) {
    const file = join(folder, ".label.nrrd");
    await encodeMask(voxels, shape, geometry, ".nrrd", file);
    await datastore.saveLabel(id, tag, ".nrrd", file, { label_info: [{ name: "liver", idx: 1 }, { name: "spleen", idx: 2 }] });
  }
});
afterEach(async () => {
  await datastore.close();
  await rm(folder, { recursive: true, force: true });
});

async function run(format: ExportFormat, others: Partial<ExportOptions> = {}) {
  const labels = new DicomLabels({ codes: {}, version: "test", clicked: [] });
  const done = [];
  for await (const one of exportLabels({ datastore, labels, format, folder: join(folder, "out"), tags: [], images: [], force: false, ...others })) done.push(one);
  return done;
}

describe("exporting labels", () => {
  it("writes a file for each image and tag, with names and voxels", async () => {
    expect((await run("seg.nrrd")).map(({ file }) => file)).toEqual(["a.draft.seg.nrrd", "a.final.seg.nrrd", "b.final.seg.nrrd"]);
    const { layers, segments } = await readLabelLayers(join(folder, "out", "a.final.seg.nrrd"));
    expect([...layers[0]]).toEqual([...voxels]);
    expect(segments.map(({ name }) => name)).toEqual(["liver", "spleen"]);
    expect((await readdir(join(folder, "out"))).filter((name) => name.startsWith("."))).toEqual([]);
  });

  it("takes the tags and images that are asked for, and says which are not there", async () => {
    expect(await run("nii.gz", { tags: ["final"], images: ["b", "c"] })).toEqual([
      { image: "b", tag: "final", file: "b.final.nii.gz" }, { image: "c", tag: "", file: null, reason: "there is no such image" },
    ]);
  });

  it("keeps files that are there, unless it is told to write over them", async () => {
    await run("nrrd", { images: ["b"] });
    await writeFile(join(folder, "out", "b.final.nrrd"), "mine");
    expect(await run("nrrd", { images: ["b"] })).toMatchObject([{ file: null, reason: /--force/ }].map(({ file, reason }) => ({ file, reason: expect.stringMatching(reason) })));
    expect(await readFile(join(folder, "out", "b.final.nrrd"), "utf8")).toBe("mine");
    expect(await run("nrrd", { images: ["b"], force: true })).toMatchObject([{ file: "b.final.nrrd" }]);
    expect((await readLabelLayers(join(folder, "out", "b.final.nrrd"))).layers[0]).toHaveLength(24);
  });

  it("says why an image that is no DICOM has no DICOM label, and goes on", async () => {
    const done = await run("rtstruct");
    expect(done).toHaveLength(3);
    for (const { file, reason } of done) expect([file, reason]).toEqual([null, expect.stringMatching(/no DICOM series/)]);
  });
});
