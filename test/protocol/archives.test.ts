/** What leaves as a zip archive: the labelled data, and a model. */
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import request from "supertest";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Lab, openLab, unzip, writeVolume } from "./harness.js";

let lab: Lab;
beforeEach(async () => {
  lab = await openLab(["scan_1.nii.gz", "scan_2.nrrd", "ä b.nii"]);
});
afterEach(() => lab.close());
const get = (path: string) => request(lab.server.http).get(path);
/** The reply as bytes. */
const download = (path: string) => get(path).responseType("blob");

describe("GET /datastore/dataset", () => {
  const submit = async (...ids: string[]) => {
    await writeVolume(join(lab.folder, ".label.nrrd"), 1);
    for (const image of ids) await request(lab.server.http).put("/datastore/label").query({ image }).attach("label", join(lab.folder, ".label.nrrd"), "x.nrrd").expect(200);
  };

  it("holds image and label of what has a final label, and the document, with the length told", async () => {
    await submit("scan_1", "ä b");
    const reply = await download("/datastore/dataset").expect(200);
    expect(reply.headers).toMatchObject({
      "content-type": "application/zip", "content-disposition": 'attachment; filename="dataset.zip"', "content-length": String(reply.body.length),
    });
    const files = await unzip(reply.body);
    expect([...files.keys()].sort()).toEqual(["image/scan_1.nii.gz", "image/ä b.nii", "label/scan_1.nrrd", "label/ä b.nrrd", "metadata.json"]);
    expect(files.get("image/scan_1.nii.gz")).toEqual(await readFile(join(lab.folder, "scan_1.nii.gz")));
    expect(files.get("label/ä b.nrrd")).toEqual(await readFile(join(lab.folder, ".label.nrrd")));
    expect(JSON.parse(files.get("metadata.json")!.toString())).toEqual(await lab.datastore.document());
  });

  it("ends after limit_cases images, refuses what is no number, and says so where nothing is labelled", async () => {
    const { body } = await get("/datastore/dataset").expect(404);
    expect(body.detail).toMatch(/No image has a final label/);
    await submit("scan_1", "scan_2");
    expect([...(await unzip((await download("/datastore/dataset?limit_cases=1").expect(200)).body)).keys()]).toEqual(["image/scan_1.nii.gz", "label/scan_1.nrrd", "metadata.json"]);
    await get("/datastore/dataset?limit_cases=x").expect(422);
    await get("/datastore/dataset?limit_cases=-1").expect(422);
  });
});

describe("/model", () => {
  beforeEach(async () => {
    await writeFile(join(lab.folder, ".manifest"), "{}");
    await writeFile(join(lab.folder, ".graph"), "weights");
    lab.model.files = () => [{ name: "manifest.json", path: join(lab.folder, ".manifest") }, { name: "lite/click.onnx", path: join(lab.folder, ".graph") }];
  });

  it("gives the files of a model, the same bytes each time, with the checksum of /model/info", async () => {
    const reply = await download("/model/limnet").expect(200).expect("Content-Disposition", 'attachment; filename="limnet.zip"');
    expect([...(await unzip(reply.body))].map(([name, bytes]) => [name, bytes.toString()])).toEqual([["manifest.json", "{}"], ["lite/click.onnx", "weights"]]);
    const { body } = await request(lab.server.http).get("/model/info/limnet").expect(200);
    expect(body).toEqual({ checksum: `SHA256:${createHash("sha256").update(reply.body).digest("hex")}`, modified_time: expect.any(Number) });
  });

  it("is a 404 for models that are not there or have no file", async () => {
    for (const path of ["/model/other", "/model/info/other", "/model/..%2F.."]) {
      expect((await request(lab.server.http).get(path).expect(404)).body.detail).toMatch(/^Model File NOT Found for /);
    }
    delete lab.model.files;
    await request(lab.server.http).get("/model/limnet").expect(404, { detail: "Model File NOT Found for limnet" });
  });

  it("takes no weights and drops none", async () => {
    const { body } = await request(lab.server.http).put("/model/limnet").attach("file", Buffer.from("x"), "x.pt").expect(501);
    expect(body.detail).toMatch(/^Model File Name NOT configured for limnet.*models_dir/);
    await request(lab.server.http).delete("/model/limnet").expect(501);
    await request(lab.server.http).delete("/model/other").expect(404);
  });
});
