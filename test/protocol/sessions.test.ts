import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import dcmjs from "dcmjs";
import request from "supertest";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readVolume } from "../../src/imaging/read.js";
import { zipStream } from "../../src/server/zip-out.js";
import { type Lab, openLab, shape, writeVolume } from "./harness.js";

let lab: Lab;
beforeAll(async () => {
  lab = await openLab(["scan_1.nii.gz"], { maxSeriesFiles: 20, maxUploadBytes: 1_000_000 });
});
afterAll(() => lab.close());
const put = (query = "") => request(lab.server.http).put(`/session/${query}`);

/** Slice k of a CT of 4 x 3 pixels, 2 mm apart, all pixels k. */
function slice(k: number): Buffer {
  const { DicomDict, DicomMetaDictionary } = dcmjs.data;
  const instance = `1.2.826.0.1.3680043.10.1.${k + 1}`;
  const ct = "1.2.840.10008.5.1.4.1.1.2";
  const file = new DicomDict(DicomMetaDictionary.denaturalizeDataset({
    MediaStorageSOPClassUID: ct, MediaStorageSOPInstanceUID: instance, TransferSyntaxUID: "1.2.840.10008.1.2.1",
    ImplementationClassUID: "1.2.826.0.1.3680043.10.2", FileMetaInformationVersion: new Uint8Array([0, 1]).buffer,
  }));
  file.dict = DicomMetaDictionary.denaturalizeDataset({
    SOPClassUID: ct, SOPInstanceUID: instance, StudyInstanceUID: "1.2.826.0.1.3680043.10.3", SeriesInstanceUID: "1.2.826.0.1.3680043.10.4",
    FrameOfReferenceUID: "1.2.826.0.1.3680043.10.5", Modality: "CT", InstanceNumber: k + 1,
    ImagePositionPatient: [0, 0, 2 * k], ImageOrientationPatient: [1, 0, 0, 0, 1, 0], PixelSpacing: [1, 1], SliceThickness: 2,
    Rows: 3, Columns: 4, SamplesPerPixel: 1, PhotometricInterpretation: "MONOCHROME2", BitsAllocated: 16, BitsStored: 16, HighBit: 15,
    PixelRepresentation: 1, RescaleSlope: 1, RescaleIntercept: 0, PixelData: new Int16Array(12).fill(k).buffer, _vrMap: { PixelData: "OW" },
  });
  return Buffer.from(file.write());
}

const zip = async (files: Record<string, Buffer>) =>
  buffer((await zipStream(Object.entries(files).map(([name, bytes]) => ({ name, bytes })))).stream);

describe("a session of a DICOM series", () => {
  it("takes the files in any order, shows their folder, and works on the volume that they make", async () => {
    let form = put().field("client_id", "user-xyz");
    for (const k of [2, 0, 1]) form = form.attach("files", slice(k), `/home/jane/IM${k}`);
    const { body } = await form.expect(200);
    expect(body.session_info.image).toBe(join(body.session_info.path, "series"));
    await request(lab.server.http).post(`/infer/limnet?session_id=${body.session_id}&output=json`).expect(200);
    expect(lab.seen.at(-1)!.image).toMatchObject({ id: "", ext: ".nii.gz", digest: expect.stringMatching(/^[0-9a-f]{64}$/) });
    const volume = await readVolume(lab.seen.at(-1)!.image.path);
    expect(volume.shape).toEqual([4, 3, 3]);
    expect([0, 12, 24].map((at) => volume.voxels[at])).toEqual([0, 1, 2]);
    const download = await request(lab.server.http).get(`/session/${body.session_id}?image=true`).buffer(true).expect(200).expect("Content-Disposition", /image\.nii\.gz/);
    expect(download.body).toEqual(await readFile(lab.seen.at(-1)!.image.path));
    const { body: later } = await request(lab.server.http).get(`/session/${body.session_id}`).expect(200);
    expect(later.image).toBe(body.session_info.image);
    await request(lab.server.http).delete(`/session/${body.session_id}`).expect(200);
  });

  it("comes as one zip archive too, with folders and litter in it", async () => {
    const archive = await zip({ "CT/IM1": slice(0), "CT/sub/IM1": slice(1), "__MACOSX/CT/._IM1": Buffer.from("x"), "DICOMDIR": Buffer.from("x") });
    const { body } = await put("?uncompress=true").attach("files", archive, "series.zip").expect(200);
    await request(lab.server.http).post(`/infer/limnet?session_id=${body.session_id}&output=json`).expect(200);
    expect((await readVolume(lab.seen.at(-1)!.image.path)).shape).toEqual([4, 3, 2]);
  });

  it("is refused with a sentence where its files make no volume", async () => {
    const bad = await put().attach("files", Buffer.from("hello"), "a.dcm").attach("files", Buffer.from("hello"), "b.dcm").expect(422);
    expect(bad.body.detail).toMatch(/DICOM/);
    await put().attach("files", slice(0).subarray(0, 300), "a.dcm").expect(422);
  });
});

describe("an archive", () => {
  const volume = async () => {
    await writeVolume(join(lab.folder, ".lent.nii.gz"), 7);
    return readFile(join(lab.folder, ".lent.nii.gz"));
  };

  it("of one volume makes a session of that volume; its name inside leads nowhere", async () => {
    // yazl writes no such name, so it is put into the bytes: the same length in both places where a zip archive has it.
    const tame = await zip({ "aa/aa/evil.nii.gz": await volume() });
    const archive = Buffer.from(tame.toString("latin1").replaceAll("aa/aa/evil", "../../evil"), "latin1");
    const refused = await put("?uncompress=true").attach("files", archive, "x.zip").expect(400);
    expect(refused.body.detail).toMatch(/damaged/);
    const { body } = await put("?uncompress=true").attach("files", tame, "x.zip").expect(200);
    await request(lab.server.http).post(`/infer/limnet?session_id=${body.session_id}&output=json`).expect(200);
    expect((await readVolume(lab.seen.at(-1)!.image.path))).toMatchObject({ shape });
  });

  it("is bounded in files and in bytes, whatever it says about itself", async () => {
    const many = await zip(Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`IM${n}`, Buffer.from("x")])));
    expect((await put("?uncompress=true").attach("files", many, "x.zip").expect(413)).body.detail).toMatch(/LIMNET_MAX_SERIES_FILES/);
    const { ZipFile } = await import("yazl");
    const bomb = new ZipFile();
    bomb.addBuffer(Buffer.alloc(3_000_000), "zeros.nii");
    bomb.end();
    const packed = await buffer(bomb.outputStream as NodeJS.ReadableStream);
    expect(packed.length).toBeLessThan(20_000);
    expect((await put("?uncompress=true").attach("files", packed, "x.zip").expect(413)).body.detail).toMatch(/LIMNET_MAX_UPLOAD_BYTES/);
  });

  it("that is none, is empty, or comes twice is a 400", async () => {
    await put("?uncompress=true").attach("files", Buffer.from("hello"), "x.zip").expect(400);
    await put("?uncompress=true").attach("files", await zip({}), "x.zip").expect(400);
    await put("?uncompress=true").attach("files", await zip({}), "x.zip").attach("files", await zip({}), "y.zip").expect(400);
  });
});

it("more parts than a series may have are a 413", async () => {
  let form = put();
  for (let n = 0; n < 40; n++) form = form.attach("files", Buffer.from("x"), `IM${n}`);
  await form.expect(413);
});
