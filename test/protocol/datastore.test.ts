import { readFile, rm, utimes } from "node:fs/promises";
import { join } from "node:path";
import request from "supertest";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fileDigest } from "../../src/imaging/digest.js";
import { type Lab, openLab, slicerForm, writeVolume } from "./harness.js";

let lab: Lab;
beforeEach(async () => {
  lab = await openLab();
});
afterEach(() => lab.close());

const api = () => request(lab.server.http);
const image = (name = "scan_1.nii.gz") => join(lab.folder, name);

describe("GET /datastore/", () => {
  it("counts by default, with either spelling of the slash and no redirect", async () => {
    const counts = { total: 2, completed: 0, label_tags: {} };
    await api().get("/datastore/").expect(200, counts);
    await api().get("/datastore").expect(200, counts);
    await api().get("/datastore/?output=stats").expect(200, counts);
  });

  it("output=all is the document of datastore_v2.json, output=train the labelled pairs", async () => {
    const { body } = await api().get("/datastore/?output=all").expect(200);
    expect(body).toEqual(JSON.parse(await readFile(image("datastore_v2.json"), "utf8")));
    expect(body).toMatchObject({ name: "new-dataset", description: "New Dataset", images_dir: ".", labels_dir: "labels" });
    expect(body.objects.scan_2).toEqual({ image: { ext: ".nrrd", info: { ts: expect.any(Number), name: "scan_2.nrrd" } }, labels: {} });
    await api().get("/datastore/?output=train").expect(200, []);
    await api().put("/datastore/label?image=scan_1").attach("label", image()).expect(200);
    await api().get("/datastore/?output=train").expect(200, [{ image: image(), label: join(lab.folder, "labels/final/scan_1.nii.gz") }]);
  });

  it("refuses other outputs in the array form", async () => {
    const { body } = await api().get("/datastore/?output=x").expect(422);
    expect(body.detail[0]).toMatchObject({ type: "enum", loc: ["query", "output"] });
  });
});

describe("images", () => {
  it.each(["/datastore/", "/datastore/image", "/datastore", "/datastore/image/"])("PUT %s as Slicer sends it", async (path) => {
    const { type, body } = slicerForm({ params: '{"client_id":"user-xyz"}' }, { file: { name: "/tmp/Volume 1.nii.gz", bytes: await readFile(image()) } });
    await api().put(`${path}?image=Volume+1`).set("Content-Type", type).send(body).expect(200, { image: "Volume 1" });
    const info = (await lab.datastore.document()).objects["Volume 1"].image.info;
    expect(info).toMatchObject({ client_id: "user-xyz", name: "Volume 1.nii.gz", ts: expect.any(Number) });
    expect(await fileDigest(image("Volume 1.nii.gz"))).toBe(await fileDigest(image()));
  });

  it("takes the id from the file name where none is given, dots and all", async () => {
    await api().put("/datastore/image").attach("file", image(), "a.b.nii.gz").expect(200, { image: "a.b" });
    expect((await lab.datastore.image("a.b"))?.ext).toBe(".nii.gz");
  });

  it("keeps the labels of an image that is put again, and drops the file of the other type", async () => {
    await api().put("/datastore/label?image=scan_1").attach("label", image()).field("params", '{"note":1}').expect(200);
    await api().put("/datastore/image?image=scan_1").attach("file", image("scan_2.nrrd")).expect(200);
    const { objects } = await lab.datastore.document();
    expect(objects.scan_1).toMatchObject({ image: { ext: ".nrrd" }, labels: { final: { info: { note: 1 } } } });
    await expect(readFile(image())).rejects.toThrow("ENOENT");
  });

  it.each(["../x", "a/b", "a\\b", ".hidden", "..", "a\0b", "x".repeat(201), " a"])("PUT refuses the id %j", async (id) => {
    const { body } = await api().put(`/datastore/image?image=${encodeURIComponent(id)}`).attach("file", image()).expect(422);
    expect(body.detail).toMatch(/^The image id .+ Use an id/);
    await api().get("/datastore/").expect(200, { total: 2, completed: 0, label_tags: {} });
  });

  it("PUT refuses what is no volume, what has no file, and params that are no JSON", async () => {
    await api().put("/datastore/image?image=x").attach("file", Buffer.from("hello"), "x.nii.gz").expect(422);
    await api().put("/datastore/image?image=x").attach("file", Buffer.from("hello"), "x.exe").expect(422);
    const { body } = await api().put("/datastore/image?image=x").field("params", "{}").expect(422);
    expect(body.detail).toEqual([{ type: "missing", loc: ["body", "file"], msg: "Field required", input: null }]);
    await api().put("/datastore/image?image=x").attach("file", image()).field("params", "{x").expect(400);
    expect(await lab.datastore.image("x")).toBeNull();
  });

  it("downloads with name, length, ETag, dates and ranges", async () => {
    const reply = await api().get("/datastore/image?image=scan_1").buffer(true).expect(200);
    expect(reply.headers).toMatchObject({
      "content-type": "application/octet-stream", "content-disposition": 'attachment; filename="scan_1.nii.gz"',
      "content-length": String(reply.body.length), "accept-ranges": "bytes", etag: expect.any(String), "last-modified": expect.any(String),
    });
    const part = await api().get("/datastore/image?image=scan_1").set("Range", "bytes=0-1").buffer(true).expect(206);
    expect([...part.body]).toEqual([0x1f, 0x8b]);
    await utimes(image(), 1, 1);
    const later = await api().get("/datastore/image?image=scan_1");
    expect(later.headers.etag).not.toBe(reply.headers.etag);
  });

  it("uses the extended form for names with a space or beyond ASCII", async () => {
    for (const [id, quoted] of [["a b", "a%20b"], ["Müller (1)", "M%C3%BCller%20%281%29"]]) {
      await writeVolume(image(`${id}.nii.gz`));
      const reply = await api().get("/datastore/image").query({ image: id }).expect(200);
      expect(reply.headers["content-disposition"]).toBe(`attachment; filename*=utf-8''${quoted}.nii.gz`);
    }
  });

  it("HEAD tells whether it is there, and whether it is that very file", async () => {
    const digest = await fileDigest(image());
    const reply = await api().head("/datastore/image?image=scan_1").expect(200);
    expect(reply.headers["content-type"]).toMatch(/^application\/json/);
    await api().head(`/datastore/image?image=scan_1&check_sum=SHA256:${digest}`).expect(200);
    await api().head(`/datastore/image?image=scan_1&check_sum=${digest.toUpperCase()}`).expect(200);
    await api().head(`/datastore/image?image=scan_1&check_sum=MD5:${digest}`).expect(404);
    await api().head("/datastore/image?image=nobody").expect(404);
  });

  it("DELETE takes the labels along, is seen at once, and is a 404 the second time", async () => {
    await api().put("/datastore/label?image=scan_1").attach("label", image()).expect(200);
    await api().delete("/datastore/image?id=scan_1").expect(200, {});
    await api().get("/datastore/").expect(200, { total: 1, completed: 0, label_tags: {} });
    await api().delete("/datastore/?id=scan_1").expect(404);
    await expect(readFile(join(lab.folder, "labels/final/scan_1.nii.gz"))).rejects.toThrow("ENOENT");
  });

  it("info is shown with the path, {} for unknown ids, and merged by PUT", async () => {
    await api().put("/datastore/image/info?image=scan_1").type("form").send({ info: '{"a":1}' }).expect(200, "null");
    await api().put("/datastore/image/info?image=scan_1").field("info", '{"b":2}').expect(200, "null");
    const { body } = await api().get("/datastore/image/info?image=scan_1").expect(200);
    expect(body).toMatchObject({ a: 1, b: 2, name: "scan_1.nii.gz", path: image() });
    await api().get("/datastore/image/info?image=nobody").expect(200, {});
    await api().put("/datastore/image/info?image=nobody").type("form").send({ info: "{}" }).expect(404);
    await api().put("/datastore/image/info?image=scan_1").type("form").send({ info: "{x" }).expect(400);
  });

  it("a missing parameter is a 422 in the array form, an unknown image a 404", async () => {
    const { body } = await api().get("/datastore/image").expect(422);
    expect(body).toEqual({ detail: [{ type: "missing", loc: ["query", "image"], msg: "Field required", input: null }] });
    const unknown = await api().get("/datastore/image?image=nobody").expect(404);
    expect(unknown.body.detail).toContain("NOT Found");
    expect(unknown.headers["content-disposition"]).toBeUndefined();
  });

  it("a file that vanished behind the server's back is a 404, one that came is there", async () => {
    await rm(image());
    await api().get("/datastore/image?image=scan_1").expect(404);
    await writeVolume(image("new.nii"));
    await api().get("/datastore/image?image=new").expect(200);
  });
});

describe("labels", () => {
  const submit = (tag = "") => {
    const params = '{"label_info":[{"name":"spleen","idx":1}],"model":"limnet","client_id":"user-xyz"}';
    return api().put(`/datastore/label?image=scan_1${tag}`).attach("label", image("scan_2.nrrd"), "scan_1.nrrd").field("params", params);
  };

  it("are submitted under `final` unless a tag is named, with params, ts and name as info", async () => {
    await submit().expect(200, { image: "scan_1", label: "scan_1" });
    await submit("&tag=").expect(200);
    await submit("&tag=version_1").expect(200);
    await api().get("/datastore/").expect(200, { total: 2, completed: 1, label_tags: { final: 1, version_1: 1 } });
    const { body } = await api().get("/datastore/label/info?label=scan_1&tag=final").expect(200);
    expect(body).toMatchObject({ label_info: [{ name: "spleen", idx: 1 }], model: "limnet", client_id: "user-xyz", name: "scan_1.nrrd", ts: expect.any(Number) });
    await api().get("/datastore/label/info?label=scan_1&tag=nothing").expect(200, {});
  });

  it("are downloaded with the extension in Content-Disposition, as Slicer needs it", async () => {
    await submit("&tag=original").expect(200);
    const reply = await api().get("/datastore/label?label=scan_1&tag=original").expect(200);
    expect(reply.headers["content-disposition"]).toBe('attachment; filename="scan_1.nrrd"');
    expect(reply.headers["content-type"]).toBe("application/octet-stream");
    await api().head("/datastore/label?image=scan_1&tag=original").expect(200);
    await api().head("/datastore/label?image=scan_1&tag=final").expect(404);
    const missing = await api().get("/datastore/label?label=scan_1&tag=final").expect(404);
    expect(missing.body.detail).toMatch(/^Label NOT Found/);
  });

  it("are deleted at once, and deleting nothing is no error", async () => {
    await submit().expect(200);
    await api().delete("/datastore/label?id=scan_1&tag=final").expect(200, {});
    await api().get("/datastore/").expect(200, { total: 2, completed: 0, label_tags: {} });
    await api().delete("/datastore/label?id=scan_1&tag=final").expect(200, {});
    await api().delete("/datastore/label?id=scan_1").expect(422);
  });

  it("leave no stale file of another type", async () => {
    await submit().expect(200);
    await api().put("/datastore/label?image=scan_1").attach("label", image()).expect(200);
    await expect(readFile(join(lab.folder, "labels/final/scan_1.nrrd"))).rejects.toThrow("ENOENT");
  });

  it("take .seg.nrrd under its own extension", async () => {
    const path = join(lab.folder, ".x.seg.nrrd");
    await writeVolume(path);
    await api().put("/datastore/label?image=scan_1").attach("label", path, "a.seg.nrrd").expect(200);
    expect((await lab.datastore.label("scan_1", "final"))?.ext).toBe(".seg.nrrd");
  });

  it("are refused for unknown images, tags that are paths, and files that are none", async () => {
    await api().put("/datastore/label?image=nobody").attach("label", image()).expect(404);
    await api().put("/datastore/label?image=scan_1&tag=..%2F..").attach("label", image()).expect(422);
    await api().put("/datastore/label?image=scan_1").attach("label", Buffer.from("x"), "x.nrrd").expect(422);
    await api().put("/datastore/label?image=scan_1").attach("label", Buffer.from("x"), "label.bin").expect(422);
    await api().put("/datastore/label?image=scan_1").field("params", "{}").expect(422);
  });

  it("infos are merged by the Reviewer's and the newer route", async () => {
    await submit().expect(200);
    const params = '{"segmentationMeta":{"status":"approved"}}';
    await api().put("/datastore/updatelabelinfo?label=scan_1&tag=final").type("form").send({ params }).expect(200, "null");
    await api().put("/datastore/label/info?label=scan_1&tag=final").type("form").send({ info: '{"more":1}' }).expect(200, "null");
    const { body } = await api().get("/datastore/label/info?label=scan_1&tag=final");
    expect(body).toMatchObject({ segmentationMeta: { status: "approved" }, more: 1, model: "limnet" });
    await api().put("/datastore/updatelabelinfo?label=scan_1&tag=none").type("form").send({ params }).expect(404);
  });
});
