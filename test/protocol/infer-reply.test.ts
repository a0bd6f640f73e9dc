import { readdir } from "node:fs/promises";
import { join } from "node:path";
import request from "supertest";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Lab, maskTask, openLab, rawExchange } from "./harness.js";

let lab: Lab;
let port: number;

beforeAll(async () => {
  lab = await openLab();
  ({ port } = await lab.server.listen());
});
afterAll(() => lab.close());

function ask(query: string, headers = "", params = '{"result_extension":".nrrd"}') {
  const body = `params=${encodeURIComponent(params)}`;
  return rawExchange(port, `POST /infer/limnet?${query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers}` +
    `Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
}

describe("the reply of /infer, as raw sockets see it", () => {
  it("has exactly the bytes that Slicer and MITK parse", async () => {
    const { head, body } = await ask("image=scan_1");
    expect(head).toMatch(/^HTTP\/1\.1 200 /);
    const boundary = /^content-type: multipart\/form-data; boundary=([0-9a-f]{32})$/im.exec(head)![1];
    const text = body.toString("latin1");
    const start = new RegExp(
      `^--${boundary}\\r\\nContent-Disposition: form-data; name="params"\\r\\nContent-Type: application/json\\r\\n\\r\\n` +
      `(\\{[^\\r]*\\})\\r\\n--${boundary}\\r\\nContent-Disposition: form-data; name="image"; filename="[\\w-]+\\.nrrd"\\r\\n` +
      "Content-Type: application/octet-stream\\r\\n\\r\\nNRRD000");
    expect(text).toMatch(start);
    expect(text.endsWith(`\r\n--${boundary}--\r\n`)).toBe(true);
    expect(JSON.parse(start.exec(text)![1])).toEqual({ label_names: ["tumour"], latencies: { total: null }, centroids: {} });
  });

  it("tells its length, is never chunked and never compressed, whatever the client accepts", async () => {
    const { head, body } = await ask("image=scan_1", "Accept-Encoding: gzip, deflate, br\r\n");
    expect(Number(/^content-length: (\d+)$/im.exec(head)![1])).toBe(body.length);
    expect(head).not.toMatch(/transfer-encoding|content-encoding/i);
  });

  it("keeps the part order and length for output=all too", async () => {
    const { head, body } = await ask("image=scan_1&output=all");
    expect(Number(/^content-length: (\d+)$/im.exec(head)![1])).toBe(body.length);
    expect(body.indexOf('name="params"')).toBeLessThan(body.indexOf('name="image"'));
  });

  it("leaves no temporary file behind", async () => {
    await ask("image=scan_1");
    await expect.poll(() => readdir(join(lab.folder, ".limnet", "tmp"))).toEqual([]);
  });
});

describe("the other outputs", () => {
  it("output=json is JSON only, without NaN", async () => {
    const reply = await request(lab.server.http).post("/infer/limnet?image=scan_1&output=json").expect(200);
    expect(reply.headers["content-type"]).toMatch(/^application\/json/);
    expect(reply.body.latencies.total).toBeNull();
  });

  it("output=image is a download of the mask with its length", async () => {
    const reply = await request(lab.server.http).post("/infer/limnet?image=scan_1&output=image").buffer(true).expect(200);
    expect(reply.headers["content-type"]).toBe("application/octet-stream");
    expect(reply.headers["content-disposition"]).toMatch(/^attachment; filename="mask-\w+\.nii\.gz"$/);
    expect(Number(reply.headers["content-length"])).toBe(reply.body.length);
  });

  it("result_write_to_file: false gives JSON, and with output=image a sentence", async () => {
    const params = { params: '{"result_write_to_file":false}' };
    const reply = await request(lab.server.http).post("/infer/limnet?image=scan_1").type("form").send(params).expect(200);
    expect(reply.body.label_names).toEqual(["tumour"]);
    const refused = await request(lab.server.http).post("/infer/limnet?image=scan_1&output=image").type("form").send(params).expect(422);
    expect(refused.body.detail).toContain("output=json");
  });

  it("a task without a file gives JSON by default", async () => {
    lab.behave.run = async () => ({ file: null, json: { label_names: [] } });
    await request(lab.server.http).post("/infer/limnet?image=scan_1").expect(200, { label_names: [] });
    lab.behave.run = maskTask;
  });

  it("any other output is a 422 in the array form, dicom_seg one where the image is no DICOM", async () => {
    const reply = await request(lab.server.http).post("/infer/limnet?image=scan_1&output=bogus").expect(422);
    expect(reply.body.detail).toEqual([{
      type: "enum", loc: ["query", "output"], msg: "Input should be 'image', 'json', 'all' or 'dicom_seg'", input: "bogus",
      ctx: { expected: "'image', 'json', 'all' or 'dicom_seg'" },
    }]);
    await request(lab.server.http).post("/infer/limnet?image=scan_1&output=").expect(422);
    await request(lab.server.http).post("/infer/limnet?image=scan_1&output=JSON").expect(422);
    await request(lab.server.http).post("/infer/limnet?image=scan_1&output=dicom_seg").expect(422);
  });

  it("save_label keeps the mask as a label under `original`", async () => {
    await request(lab.server.http).post("/infer/limnet?image=scan_2&output=json").type("form").send({ params: '{"save_label":true,"result_extension":".nii.gz"}' }).expect(200);
    const document = await lab.datastore.document();
    expect(document.objects.scan_2.labels.original.ext).toBe(".nii.gz");
    expect(document.objects.scan_2.labels.original.info).toMatchObject({ model: "limnet", params: { label_names: ["tumour"] } });
  });
});
