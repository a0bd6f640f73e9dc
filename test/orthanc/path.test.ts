/** The whole path with the client of PyPI: next sample, click, six rounds, save, found in Orthanc, opened again after a restart. */
import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readSeg } from "../../src/dicom/seg/read.js";
import { readSeries } from "../../src/dicom/series.js";
import { judgesPython } from "../judges/labels.js";
import { fixtures, OrthancLab, valueOf } from "./lab.js";
import { hasOrthanc } from "./orthanc.js";

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- JSON of another program; the expectations below say its shape
type Report = Record<string, any>;

let lab: OrthancLab;
async function reader(...args: string[]): Promise<Report> {
  const work = join(lab.folder, `work-${args[0]}-${Math.random()}`);
  await mkdir(work);
  const [what, ...rest] = args;
  const { stdout } = await promisify(execFile)(judgesPython(), [join(import.meta.dirname, "client.py"), what, lab.server.url, work, ...rest], { timeout: 240_000, maxBuffer: 1e8 });
  return JSON.parse(stdout) as Report;
}

describe.skipIf(!hasOrthanc)("a reader with the client of the package monailabel", () => {
  let got: Report;
  beforeAll(async () => {
    lab = await OrthancLab.open();
    await lab.add(join(fixtures, "dicom", "mr_oblique_t2"), join(fixtures, "dicom", "mr_sagittal_t2_part"));
    await lab.start();
    got = await reader("label");
  }, 300_000);
  afterAll(() => lab?.close(), 60_000);

  it("gets a series of Orthanc as next sample", () => {
    expect(got.sample).toMatchObject({ id: got.image, SeriesInstanceUID: got.image, Modality: "MR", name: `${got.image}.nii` });
    expect(got.shape[0]).toBe(19);
  });

  it("clicks six rounds, and every answer obeys all clicks so far", () => {
    expect(got.rounds).toHaveLength(6);
    for (const [n, one] of (got.rounds as Report[]).entries()) expect(one, `round ${n + 1}`).toMatchObject({ inside: true, outside: true, round: n + 1 });
  });

  it("saves, is told that the archive has it, and gets another sample then", () => {
    expect(got.saved).toMatchObject({ image: got.image, label: got.image, archive: { state: "stored" } });
    expect(got.next).not.toBe(got.image);
    expect(got.next).toMatch(/^[0-9.]+$/);
  });

  it("has its label in Orthanc as a segmentation of that series, voxel for voxel", async () => {
    const [found, ...others] = await lab.search("series?Modality=SEG&includefield=0020000D");
    expect(others).toEqual([]);
    expect(valueOf(found, "0020000E")).toBe(got.saved.archive.SeriesInstanceUID);
    const study = valueOf(found, "0020000D");
    const [object] = await lab.retrieve(study, got.saved.archive.SeriesInstanceUID as string);
    const seg = await readSeg(object);
    expect(seg.sources).toEqual([got.image]);
    expect(seg.objects).toMatchObject([{ number: 1, name: "tumour", algorithm: "SEMIAUTOMATIC" }]);
    const { volume, ...rest } = (await readSeries(await lab.retrieve(study, got.image as string))).volumes[0];
    const mask = await seg.mask(1, { ...rest, ...volume });
    expect(mask.reduce((sum, voxel) => sum + voxel, 0)).toBe(got.rounds[5].voxels);
  });

  it("opens it again after a restart, also on a server that knows nothing but the archive, and goes on from it by a click", async () => {
    await lab.start();
    const again = await reader("again", got.image as string);
    expect(again.datastore.labels.final.info).toMatchObject({ SeriesInstanceUID: got.saved.archive.SeriesInstanceUID, Modality: "SEG" });
    expect([again.digest, again.start]).toEqual([got.digest, got.digest]);
    const other = await OrthancLab.beside(lab);
    try {
      await lab.server.close();
      lab.server = await other.start();
      const elsewhere = await reader("again", got.image as string);
      expect([elsewhere.digest, elsewhere.start]).toEqual([got.digest, got.digest]);
      expect(elsewhere.refined.clicked).toBe(1);
      expect(elsewhere.refined.changed).toBeGreaterThan(0);
      expect(elsewhere.refined.kept).toBeGreaterThan(0.75 * elsewhere.refined.before);
    } finally {
      await other.close();
    }
  }, 300_000);
});
