/**
 * Labels between limnet, a real Orthanc and other programs: ours on every geometry of the fixtures before the judges, as Orthanc serves
 * them; and those of other makers, which only Orthanc has, as starting masks.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { text } from "../../src/dicom/dataset.js";
import { parseInstance } from "../../src/dicom/instance.js";
import { readSeries } from "../../src/dicom/series.js";
import type { SeriesVolume } from "../../src/dicom/types.js";
import { encodeMask } from "../../src/imaging/mask.js";
import { readLabelLayers, readVolume } from "../../src/imaging/read.js";
import { readSlice } from "../../src/imaging/slices.js";
import { ctSeries } from "../archive/series.js";
import { seeded } from "../fixtures/imaging/make.js";
import { describeCase, digest, judgesPython } from "../judges/labels.js";
import { fixtures, OrthancLab, valueOf } from "./lab.js";
import { hasOrthanc } from "./orthanc.js";

const judge = (script: string, ...args: string[]) => promisify(execFile)(judgesPython(), [join(import.meta.dirname, "..", "judges", script), ...args], { timeout: 240_000, maxBuffer: 1e8 });
const sha = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

let lab: OrthancLab;
let sent: string;
const studies = new Map<string, string>();

beforeAll(async () => {
  if (!hasOrthanc) return;
  lab = await OrthancLab.open();
  await mkdir(join(lab.folder, "single"));
  await writeFile(join(lab.folder, "single", "one.dcm"), ctSeries(1, 32)[0].file);
  sent = await lab.add(join(fixtures, "dicom"), join(lab.folder, "single"));
  await lab.start();
  for (const found of await lab.search("series?includefield=0020000D")) studies.set(valueOf(found, "0020000E"), valueOf(found, "0020000D"));
}, 300_000);
afterAll(() => lab?.close(), 60_000);

async function sourceOf(series: string): Promise<SeriesVolume> {
  return (await readSeries(await lab.retrieve(studies.get(series)!, series))).volumes[0];
}

describe.skipIf(!hasOrthanc)("the fixtures in Orthanc", () => {
  it("are all there that it takes, and the command says which it does not", () => {
    expect(sent).toMatch(/DICOM files are in the archive/);
    // Two of a syntax that this Orthanc does not know, and four that name no study.
    expect(sent).toMatch(/2 not: the archive cannot understand|2 not: .*\(/);
    expect(sent).toMatch(/\d not: the archive said nothing of it/);
    expect([...studies.keys()].length).toBeGreaterThan(11);
  });

  it("come while Orthanc is started again", async () => {
    const { objects } = await lab.get<{ objects: Record<string, unknown> }>("/datastore/?output=all");
    lab.orthanc.kill();
    expect((await fetch(`${lab.server.url}/datastore/image?image=${Object.keys(objects).at(-1)}`)).status).toBe(200);
  });

  it("become labels that dciodvfy accepts and from which pydicom, highdicom and dcmqi read the same voxels, on every geometry", async () => {
    const work = join(lab.folder, "judged");
    await mkdir(work);
    const cases = [];
    const expected: Record<string, string> = {};
    const seen = { oblique: 0, single: 0, tilted: 0, multiFrame: 0 };
    const refused: string[] = [];
    const random = seeded(7);
    const { objects } = await lab.get<{ objects: Record<string, unknown> }>("/datastore/?output=all");
    for (const id of Object.keys(objects)) {
      const file = join(work, `${id}.nii`);
      const answer = await fetch(`${lab.server.url}/datastore/image?image=${id}`);
      if (answer.status === 422) {
        refused.push(await answer.text());
        continue;
      }
      expect(answer.status, id).toBe(200);
      await writeFile(file, Buffer.from(await answer.arrayBuffer()));
      const { shape, geometry } = await readVolume(file);
      const size = shape[0] * shape[1] * shape[2];
      const labels = Uint8Array.from({ length: size }, (_, at) => (at < size / 3 ? 0 : random() < 0.2 ? 1 + Math.floor(2 * random()) : 0));
      const mask = join(work, `${id}.nrrd`);
      await encodeMask(labels, shape, geometry, ".nrrd", mask);
      const form = new FormData();
      form.append("label", new Blob([await readFile(mask)]), "label.nrrd");
      form.append("params", JSON.stringify({ label_info: [{ name: "liver", idx: 1 }, { name: "something else", idx: 2 }], client_id: "Weiß", model: "limnet" }));
      const saved = await (await fetch(`${lab.server.url}/datastore/label?image=${id}&tag=final`, { method: "PUT", body: form })).json() as { archive: { state: string; SeriesInstanceUID: string } };
      expect(saved, id).toMatchObject({ archive: { state: "stored" } });
      const [object] = await lab.retrieve(studies.get(id)!, saved.archive.SeriesInstanceUID);
      await writeFile(join(work, `${id}.dcm`), object);
      const { volume, ...rest } = await sourceOf(id);
      const source = { ...rest, shape: volume.shape, geometry: volume.geometry };
      const { placed, even, tiltDegrees } = source.info;
      const regular = placed && even && Math.abs(tiltDegrees) < 0.01 && shape[2] > 1;
      const segments = [1, 2].map((value) => ({ name: ["liver", "something else"][value - 1], labels, value })) as never[];
      const about = describeCase(`${id}.dcm`, source, segments);
      cases.push({ ...about, volume: regular, dcmqi: regular });
      expected[`${id}.dcm`] = digest(segments);
      seen.single += shape[2] === 1 ? 1 : 0;
      seen.tilted += Math.abs(tiltDegrees) > 1 ? 1 : 0;
      seen.multiFrame += about.multiFrame ? 1 : 0;
      seen.oblique += about.orientation.filter((part) => Math.abs(part) > 0.05 && Math.abs(part) < 0.99).length > 1 ? 1 : 0;
    }
    // Pictures of one image in five encodings, which have no place and make no volume.
    expect(refused).toEqual([expect.stringMatching(/no scan in the series/)]);
    expect(cases.length).toBeGreaterThanOrEqual(11);
    for (const [what, count] of Object.entries(seen)) expect(count, what).toBeGreaterThan(0);
    await writeFile(join(work, "cases.json"), JSON.stringify(cases));
    await judge("seg_judge.py", work);
    const { files } = JSON.parse(await readFile(join(work, "judged.json"), "utf8")) as { files: Record<string, Record<string, unknown> & { dciodvfy: { errors: string[] } }> };
    for (const [file, want] of Object.entries(expected)) {
      const { dciodvfy, pydicom, highdicom, highdicomVolume, dcmqi } = files[file];
      expect(dciodvfy.errors, file).toEqual([]);
      expect({ file, pydicom, highdicom, highdicomVolume: highdicomVolume ?? want, dcmqi: dcmqi ?? want }).toEqual({ file, pydicom: want, highdicom: want, highdicomVolume: want, dcmqi: want });
    }
  }, 300_000);
});

interface Truth {
  readonly series: string;
  readonly segments: readonly Readonly<Record<string, string>>[];
}

describe.skipIf(!hasOrthanc)("a segmentation of another maker that only Orthanc has", () => {
  const work = () => join(lab.folder, "others");
  let truth: Record<string, Truth>;
  /** By file: its own series, and that of its image. */
  const places = new Map<string, { readonly seg: string; readonly image: string }>();
  const images = new Map<string, Promise<SeriesVolume>>();

  beforeAll(async () => {
    await mkdir(work());
    await judge("seg_in_judge.py", work(), fixtures);
    truth = JSON.parse(await readFile(join(work(), "truth.json"), "utf8"));
    for (const name of Object.keys(truth)) {
      const bytes = await readFile(name.includes("/") ? join(fixtures, name) : join(work(), name));
      const { dataset } = await parseInstance(bytes);
      const [reference] = dataset.items("ReferencedSeriesSequence");
      places.set(name, { seg: text(dataset, "SeriesInstanceUID"), image: text(reference, "SeriesInstanceUID") });
      await lab.store(bytes);
    }
  }, 300_000);

  function imageOf(series: string): Promise<SeriesVolume> {
    const known = images.get(series) ?? sourceOf(series);
    images.set(series, known);
    return known;
  }

  const describeMask = (mask: Uint8Array, { volume: { shape }, slices }: SeriesVolume) => Object.fromEntries(slices.flatMap(({ sopInstanceUid }, k) => {
    const plane = readSlice(mask, shape, 2, k);
    return plane.includes(1) ? [[sopInstanceUid, sha(plane)]] : [];
  }));

  async function infer(image: string, params: object): Promise<{ status: number; mask: Uint8Array; detail: string }> {
    const form = new FormData();
    form.append("params", JSON.stringify({ result_extension: ".nrrd", label: "something", ...params }));
    const answer = await fetch(`${lab.server.url}/infer/limnet?image=${image}&output=image`, { method: "POST", body: form });
    const bytes = Buffer.from(await answer.arrayBuffer());
    const file = join(lab.folder, "answer.nrrd");
    await writeFile(file, bytes);
    return answer.status === 200 ? { status: 200, mask: Uint8Array.from((await readVolume(file)).voxels), detail: "" } : { status: answer.status, mask: new Uint8Array(), detail: bytes.toString() };
  }

  it("is a label of its image, with all its objects, of whichever kind and maker", async () => {
    expect(places.size).toBeGreaterThan(25);
    for (const [name, { seg, image }] of places) {
      const answer = await fetch(`${lab.server.url}/datastore/label?label=${image}&tag=${seg}`);
      expect(answer.status, name).toBe(200);
      const file = join(lab.folder, "label.seg.nrrd");
      await writeFile(file, Buffer.from(await answer.arrayBuffer()));
      const { layers, segments } = await readLabelLayers(file);
      const found = await Promise.all(segments.map(async ({ value, layer }) => describeMask(Uint8Array.from(layers[layer], (voxel) => (voxel === value ? 1 : 0)), await imageOf(image))));
      expect(found, name).toEqual(truth[name].segments);
    }
  }, 300_000);

  it("opens as a starting mask that the first click refines", async () => {
    const kinds = ["dcmqi.dcm", "seg/liver.dcm", "seg/partial_overlaps.dcm", "seg/pet.dcm", ...[...places.keys()].filter((name) => name.startsWith("mr_oblique")).slice(0, 2)];
    for (const name of kinds) {
      const { seg, image } = places.get(name)!;
      const volume = await imageOf(image);
      // The last object that has a voxel on the images that there are.
      const number = truth[name].segments.findLastIndex((segment) => Object.keys(segment).length > 0) + 1;
      const { mask, detail } = await infer(image, { start: seg, start_segment: number });
      expect(detail, name).toBe("");
      expect(describeMask(mask, volume), name).toEqual(truth[name].segments[number - 1]);
      const { volume: { shape } } = volume;
      // The last voxel that is not in the object yet.
      const at = mask.lastIndexOf(0, mask.lastIndexOf(1));
      const click = [at % shape[0], Math.floor(at / shape[0]) % shape[1], Math.floor(at / shape[0] / shape[1])];
      const { mask: after, detail: refusal } = await infer(image, { start: seg, start_segment: number, foreground: [click], label: name });
      expect(refusal, name).toBe("");
      expect(after[at], name).toBe(1);
      const kept = after.reduce((sum, voxel, where) => sum + (voxel & mask[where]), 0);
      expect(kept, name).toBeGreaterThan(0);
    }
  }, 300_000);

  it("is under \"final\" when it is the newest, for a server that has nothing of its own, also after a restart", async () => {
    const other = await OrthancLab.beside(lab);
    try {
      await other.start();
      for (const { image } of [places.get("dcmqi.dcm")!, places.get("seg/pet.dcm")!]) {
        const label = async (tag: string) => sha(Buffer.from(await (await fetch(`${other.server.url}/datastore/label?label=${image}&tag=${tag}`)).arrayBuffer()));
        const { SeriesInstanceUID } = await other.get(`/datastore/label/info?label=${image}&tag=final`);
        const newest = await label("final");
        expect(newest).toBe(await label(String(SeriesInstanceUID)));
        await other.start();
        expect(await other.get(`/datastore/label/info?label=${image}&tag=final`)).toMatchObject({ SeriesInstanceUID });
        expect(await label("final")).toBe(newest);
      }
    } finally {
      await other.close();
    }
  }, 120_000);

  it("asks which object is meant where it has several, and which label where there is none", async () => {
    const { seg, image } = places.get("seg/partial_overlaps.dcm")!;
    expect(await infer(image, { start: seg })).toMatchObject({ status: 422, detail: expect.stringMatching(/GREEN.*\(1\).*start_segment/) });
    expect(await infer(image, { start: "1.2.3.4" })).toMatchObject({ status: 404 });
  });
});
