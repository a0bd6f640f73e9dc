/** Labels in DICOM and other formats over HTTP, and labels that a request starts from. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import request from "supertest";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Datastore } from "../../src/datastore/datastore.js";
import { readSeg } from "../../src/dicom/seg/read.js";
import { fakeSeries } from "../../src/dicom/seg/testing.js";
import { encodeMask } from "../../src/imaging/mask.js";
import { readLabelLayers } from "../../src/imaging/read.js";
import { geometry, type Lab, maskTask, openLab, shape } from "./harness.js";

let lab: Lab;
/** scan_1 is a DICOM series to the datastore; scan_2 is not. */
const source = fakeSeries({ shape, origin: [0, 0, 0], steps: [[-1, 0, 0], [0, -1, 0], [0, 0, 2]] });
const labels = Uint8Array.from({ length: 24 }, (_, at) => [0, 1, 0, 2][at % 4]);

beforeAll(async () => {
  lab = await openLab();
  (lab.datastore as Datastore).source = async (id: string) => (id === "scan_1" ? source : null);
});
afterAll(() => lab.close());
beforeEach(() => {
  lab.seen.length = 0;
  lab.behave.run = maskTask;
});

const post = (path: string) => request(lab.server.http).post(path).buffer(true).parse(bytes);
const get = (path: string) => request(lab.server.http).get(path).buffer(true).parse(bytes);

/** The body as it is: supertest would read octets as text. */
function bytes(res: request.Response, done: (error: Error | null, body: unknown) => void): void {
  const parts: Buffer[] = [];
  const stream = res as unknown as NodeJS.ReadableStream;
  stream.on("data", (part: Buffer) => parts.push(part));
  stream.on("end", () => done(null, Buffer.concat(parts)));
}

async function file(voxels: Uint8Array, ext: string): Promise<string> {
  const path = join(lab.folder, `.upload${ext}`);
  await encodeMask(voxels, shape, geometry, ext, path);
  return path;
}

async function save(params: object, image = "scan_1", tag = "final"): Promise<void> {
  await request(lab.server.http).put(`/datastore/label?image=${image}&tag=${tag}`).field("params", JSON.stringify(params)).attach("label", await file(labels, ".nrrd")).expect(200);
}

describe("output=dicom_seg", () => {
  it("gives the mask as a segmentation that refers to the series, named as the client says", async () => {
    const reply = await post("/infer/limnet?image=scan_1&output=dicom_seg").field("params", JSON.stringify({ label_info: [{ name: "Leber", idx: 1 }], result_extension: ".nii.gz", client_id: "Ärztin" })).expect(200);
    expect(reply.headers["content-type"]).toBe("application/dicom");
    expect(reply.headers["content-disposition"]).toMatch(/\.dcm"$/);
    const seg = await readSeg(reply.body as Buffer);
    expect(seg.objects).toMatchObject([{ number: 1, name: "Leber", algorithm: "SEMIAUTOMATIC", coding: { type: { scheme: "99LIMNET", meaning: "Leber" } } }]);
    expect(seg.sources).toEqual([source.info.seriesInstanceUid]);
    expect(await seg.mask(1, source)).toEqual(new Uint8Array(24).fill(1));
    expect((reply.body as Buffer).includes(Buffer.from("Ärztin"))).toBe(true);
  });

  it("takes the name of the clicked label where there is no label_info", async () => {
    const reply = await post("/infer/limnet?image=scan_1&output=dicom_seg").field("params", '{"label":"spleen"}').expect(200);
    expect((await readSeg(reply.body as Buffer)).objects[0].name).toBe("tumour");
  });

  it("is refused for an image that is no DICOM, before any work is done", async () => {
    for (const image of ["scan_2", "nothing"]) {
      const reply = await request(lab.server.http).post(`/infer/limnet?image=${image}&output=dicom_seg`).expect(image === "scan_2" ? 422 : 404);
      if (image === "scan_2") expect(reply.body.detail).toMatch(/not supported in a non-DICOM datastore/);
    }
    expect(lab.seen).toEqual([]);
  });
});

describe("a saved label in another format", () => {
  it("is DICOM, .seg.nrrd, NRRD or NIfTI, as asked for", async () => {
    await save({ label_info: [{ name: "a", idx: 1 }, { name: "b", idx: 2 }], model: "limnet" });
    const seg = await readSeg((await get("/datastore/label?label=scan_1&tag=final&format=dicom_seg").expect(200)).body as Buffer);
    expect(seg.objects.map(({ name, algorithm }) => [name, algorithm])).toEqual([["a", "SEMIAUTOMATIC"], ["b", "SEMIAUTOMATIC"]]);
    const map = await readSeg((await get("/datastore/label?label=scan_1&tag=final&format=dicom_labelmap").expect(200)).body as Buffer);
    expect(map.kind).toBe("LABELMAP");
    const structures = await get("/datastore/label?label=scan_1&tag=final&format=rtstruct").expect(200);
    expect((structures.body as Buffer).includes("CLOSED_PLANAR")).toBe(true);
    for (const [format, ext] of [["seg.nrrd", ".seg.nrrd"], ["nrrd", ".nrrd"], ["nii.gz", ".nii.gz"]]) {
      const reply = await get(`/datastore/label?label=scan_1&tag=final&format=${format}`).expect(200);
      expect(reply.headers["content-disposition"]).toContain(`scan_1${ext}`);
      const path = join(lab.folder, `.back${ext}`);
      await writeFile(path, reply.body as Buffer);
      expect(Array.from((await readLabelLayers(path)).layers[0])).toEqual([...labels]);
    }
    await request(lab.server.http).get("/datastore/label?label=scan_1&tag=final&format=gif").expect(422);
  });

  it("is not DICOM where the image is none", async () => {
    await save({}, "scan_2");
    await request(lab.server.http).get("/datastore/label?label=scan_2&tag=final&format=rtstruct").expect(422);
    await get("/datastore/label?label=scan_2&tag=final&format=seg.nrrd").expect(200);
  });

  it("says that a person drew it alone where no model is named", async () => {
    await save({ label_info: [{ name: "a", idx: 1 }] }, "scan_1", "drawn");
    const seg = await readSeg((await get("/datastore/label?label=scan_1&tag=drawn&format=dicom_seg").expect(200)).body as Buffer);
    expect(seg.objects.map(({ name, algorithm }) => [name, algorithm])).toEqual([["a", "MANUAL"], ["Segment_2", "MANUAL"]]);
  });
});

describe("a segmentation as an uploaded label", () => {
  it("is kept on the grid of the image, with its names", async () => {
    await save({ label_info: [{ name: "left kidney", idx: 1 }, { name: "b", idx: 2 }] });
    const dicom = join(lab.folder, ".seg.dcm");
    await writeFile(dicom, (await get("/datastore/label?label=scan_1&tag=final&format=dicom_seg").expect(200)).body as Buffer);
    await request(lab.server.http).put("/datastore/label?image=scan_1&tag=back").attach("label", dicom).expect(200);
    const kept = await lab.datastore.label("scan_1", "back");
    expect(kept?.ext).toBe(".seg.nrrd");
    const { layers, segments } = await readLabelLayers(kept!.path);
    expect(segments.map(({ name, value }) => [name, value])).toEqual([["left kidney", 1], ["b", 2]]);
    expect(Array.from(layers[0])).toEqual([...labels]);
    await writeFile(dicom, await readFile(await file(labels, ".nrrd")));
    await request(lab.server.http).put("/datastore/label?image=scan_1&tag=back").attach("label", dicom).expect(422);
  });
});

describe("a request that starts from a label", () => {
  const one = labels.map((value) => (value === 1 ? 1 : 0));
  const two = labels.map((value) => (value === 2 ? 1 : 0));
  const ask = (params: object, path?: string) => {
    const asked = request(lab.server.http).post("/infer/limnet?image=scan_1&output=json").field("params", JSON.stringify(params));
    return path === undefined ? asked : asked.attach("label", path);
  };
  const started = () => lab.seen.at(-1)?.start;

  it("gives the model the object of the same name, of a saved label or one sent along", async () => {
    await save({ label_info: [{ name: "Liver", idx: 1 }, { name: "spleen", idx: 2 }] });
    await ask({ start: "final", label: "liver" }).expect(200);
    expect(started()).toEqual(one);
    await ask({ start: "final", label: "new", start_segment: "spleen" }).expect(200);
    expect(started()).toEqual(two);
    const dicom = join(lab.folder, ".start.dcm");
    await writeFile(dicom, (await get("/datastore/label?label=scan_1&tag=final&format=dicom_seg").expect(200)).body as Buffer);
    await ask({ label: "spleen" }, dicom).expect(200);
    expect(started()).toEqual(two);
    await ask({ label: "anything" }, await file(two, ".nii.gz")).expect(200);
    expect(started()).toEqual(two);
    const bare = join(lab.folder, ".start.bin");
    await writeFile(bare, labels);
    await ask({ start_segment: 1 }, bare).expect(200);
    expect(started()).toEqual(one);
  });

  it("asks which of several objects is meant, and for a label that is there", async () => {
    await save({ label_info: [{ name: "Liver", idx: 1 }, { name: "spleen", idx: 2 }] });
    expect((await ask({ start: "final", label: "kidney" }).expect(422)).body.detail).toMatch(/"Liver" \(1\), "spleen" \(2\)/);
    await ask({ start: "nothing" }).expect(404);
    await ask({ start: 5 }).expect(422);
  });

  it("is an ordinary one without a label, or with an empty one", async () => {
    await ask({ start: "" }).expect(200);
    expect(started()).toBeUndefined();
    await ask({ label: "x" }, await file(new Uint8Array(24), ".nrrd")).expect(200);
    expect(started()).toBeUndefined();
  });
});
