/** One evening of 3D Slicer's MONAILabel module, and of its reviewer: what goes over the wire, byte for byte (protocol 4.1, 4.2, 4.8). */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { encodeMask } from "../../src/imaging/mask.js";
import { readVolume } from "../../src/imaging/read.js";
import { geometry, type Lab, openLab, slicerForm, shape } from "../protocol/harness.js";
import { exchange, requestOf, type WireReply } from "./wire.js";

let lab: Lab;
let port: number;
beforeAll(async () => {
  lab = await openLab(["spleen_10.nii.gz", "spleen 11.nii.gz"]);
  ({ port } = await lab.server.listen());
});
afterAll(() => lab.close());

const hosts = () => [["Host", `127.0.0.1:${port}`], ["Accept-Encoding", "identity"]] as const;

/** Python's http.client; before every call Slicer asks whether there is a login. */
async function call(line: string, body: Buffer | string = "", type = ""): Promise<WireReply> {
  const login = await exchange(port, requestOf("GET /auth/", hosts()));
  expect(login.status).toBe(404);
  const headers = type === "" ? hosts() : [...hosts(), ["content-type", type], ["content-length", String(body.length)]] as const;
  return exchange(port, requestOf(line, headers, body));
}

const json = ({ body }: WireReply): unknown => JSON.parse(body.toString());

/** The reply of /infer as cgi.FieldStorage splits it: by the boundary that the header names. */
function partsOf({ headers, body }: WireReply): Map<string, { head: string; bytes: Buffer }> {
  const boundary = /boundary=(.+)$/.exec(headers.get("content-type")!)![1];
  const parts = new Map<string, { head: string; bytes: Buffer }>();
  let at = body.indexOf(`--${boundary}\r\n`);
  while (at >= 0) {
    const start = at + boundary.length + 4;
    const split = body.indexOf("\r\n\r\n", start);
    const end = body.indexOf(`\r\n--${boundary}`, split + 2);
    const head = body.subarray(start, split).toString();
    parts.set(/name="([^"]+)"/.exec(head)![1], { head, bytes: body.subarray(split + 4, end) });
    at = body.indexOf(`--${boundary}\r\n`, end);
  }
  return parts;
}

describe("3D Slicer", () => {
  it("connects: info, and whether something trains", async () => {
    const info = json(await call("GET /info/")) as Record<string, unknown>;
    expect(info).not.toHaveProperty("config");
    expect(Object.keys((info.models as Record<string, object>).limnet)).toEqual(expect.arrayContaining(["type", "description", "labels", "config", "dimension"]));
    expect((await call("GET /train/?check_if_running=true")).status).not.toBe(200);
  });

  it("takes the next sample and fetches it", async () => {
    const sample = json(await call("POST /activelearning/first", '{"client_id": "user-xyz"}', "application/json")) as Record<string, string>;
    expect(sample).toMatchObject({ id: "spleen 11", name: "spleen 11.nii.gz" });
    const image = await exchange(port, requestOf("GET /datastore/image?image=spleen%2011", hosts()));
    expect(image.body).toEqual(await readFile(join(lab.folder, "spleen 11.nii.gz")));
  });

  it("clicks; all clicks so far travel each time", async () => {
    const params = (foreground: number[][]) => JSON.stringify({
      foreground, background: [], label: "tumour", device: "cpu", result_extension: ".nrrd", result_dtype: "uint8", client_id: "user-xyz",
    });
    for (const clicks of [[[1, 2, 0]], [[1, 2, 0], [2, 1, 1]]]) {
      const { type, body } = slicerForm({ params: params(clicks) });
      const reply = await call("POST /infer/limnet?image=spleen+11", body, type);
      expect(reply.status).toBe(200);
      const parts = partsOf(reply);
      expect([...parts.keys()]).toEqual(["params", "image"]);
      expect(JSON.parse(parts.get("params")!.bytes.toString())).toMatchObject({ label_names: ["tumour"] });
      expect(parts.get("image")!.head).toMatch(/filename="[^"\s]+\.nrrd"/);
      const saved = join(lab.folder, ".saved.nrrd");
      await writeFile(saved, parts.get("image")!.bytes);
      expect((await readVolume(saved)).shape).toEqual(shape);
    }
    expect(lab.seen.map(({ params: { foreground } }) => (foreground as []).length)).toEqual([1, 2]);
    expect(lab.seen[1]).toMatchObject({ user: "user-xyz", image: { id: "spleen 11" } });
  });

  it("sends what was painted, as a label volume of all segments, and which of them is meant", async () => {
    const wanted = vi.fn((_: unknown) => ({ object: { segment: 1 }, foreground: { segment: 3 }, background: { segment: 2 } }));
    lab.behave.drawn = wanted;
    const labels = Uint8Array.from({ length: 24 }, (_, at) => (at < 12 ? 1 : at < 14 ? 3 : 0));
    await encodeMask(labels, shape, geometry, ".nii.gz", join(lab.folder, ".painted.nii.gz"));
    const params = {
      device: "cpu", roi: [], label_info: [{ name: "tumour", id: 1 }, { name: "background_scribbles", id: 2 }, { name: "foreground_scribbles", id: 3 }],
      selected_label_name: "tumour", result_extension: ".nii.gz", result_dtype: "uint8", client_id: "user-xyz",
    };
    const { type, body } = slicerForm({ params: JSON.stringify(params) }, { label: { name: "/tmp/slicer-monai-label/tmpq2.nii.gz", bytes: await readFile(join(lab.folder, ".painted.nii.gz")) } });
    const reply = await call("POST /infer/limnet?image=spleen+11", body, type);
    lab.behave.drawn = undefined;
    expect(reply.status).toBe(200);
    expect(wanted).toHaveBeenCalledWith(params);
    const { drawn } = lab.seen.at(-1)!;
    expect([...drawn!.object!]).toEqual([...labels].map((voxel) => Number(voxel === 1)));
    expect([...drawn!.foreground!]).toEqual([...labels].map((voxel) => Number(voxel === 3)));
    expect(drawn!.background).toBe(undefined);
    expect(lab.seen.at(-1)!.start).toBe(undefined);
  });

  it("uploads a scan that it opened itself, under the name of its volume", async () => {
    const bytes = await readFile(join(lab.folder, "spleen_10.nii.gz"));
    const { type, body } = slicerForm({ params: '{"client_id": "user-xyz"}' }, { file: { name: "/home/jane doe/tmp/MRHead.nii.gz", bytes } });
    const reply = await call("PUT /datastore/?image=MRHead", body, type);
    expect([reply.status, json(reply)]).toEqual([200, { image: "MRHead" }]);
  });

  it("opens a session with the requests library, and finds it again", async () => {
    const bytes = await readFile(join(lab.folder, "spleen_10.nii.gz"));
    const boundary = "a0f8d6a6f5f24a1d8f2bd5d53a9a3b7c";
    const body = Buffer.concat([
      Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="client_id"\r\n\r\nuser-xyz\r\n`),
      Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="files"; filename="MRHead.nii.gz"\r\n\r\n`), bytes,
      Buffer.from(`\r\n--${boundary}--\r\n`),
    ]);
    const headers = [
      ["Host", `127.0.0.1:${port}`], ["User-Agent", "python-requests/2.32.3"], ["Accept-Encoding", "gzip, deflate"], ["Accept", "*/*"], ["Connection", "keep-alive"],
      ["Content-Length", String(body.length)], ["Content-Type", `multipart/form-data; boundary=${boundary}`],
    ] as const;
    const reply = await exchange(port, requestOf("PUT /session/", headers, body));
    const { session_id: id } = json(reply) as Record<string, string>;
    expect(json(await call(`GET /session/${id}`))).toMatchObject({ name: id, meta: {} });
    const form = slicerForm({ params: '{"foreground": [[1, 1, 1]], "result_extension": ".nrrd", "client_id": "user-xyz"}' });
    expect((await call(`POST /infer/limnet?image=&session_id=${id}`, form.body, form.type)).status).toBe(200);
  });

  it("submits a label, which then counts as completed, and trains nothing", async () => {
    const bytes = await readFile(join(lab.folder, "spleen_10.nii.gz"));
    const { type, body } = slicerForm(
      { params: '{"label_info": [{"name": "tumour", "idx": 1}], "model": "limnet", "client_id": "user-xyz"}' }, { label: { name: "/tmp/tmpk3j2/spleen 11.nii.gz", bytes } },
    );
    expect(json(await call("PUT /datastore/label?image=spleen+11", body, type))).toEqual({ image: "spleen 11", label: "spleen 11" });
    const info = json(await call("GET /info/")) as { datastore: { completed: number } };
    expect(info.datastore.completed).toBe(1);
    expect((await call("GET /train/")).status).toBe(404);
    const stopped = await call("DELETE /train/");
    expect(stopped.body.toString()).toBe("null");
  });
});

describe("3D Slicer's reviewer", () => {
  const requests = (line: string, body: Buffer | string = "", type = "") => exchange(port, requestOf(line, [
    ["Host", `127.0.0.1:${port}`], ["User-Agent", "python-requests/2.32.3"], ["Accept-Encoding", "gzip, deflate"], ["Accept", "*/*"], ["Connection", "keep-alive"],
    ...(type === "" ? [] : [["Content-Length", String(body.length)], ["Content-Type", type]] as const),
  ], body));

  it("needs the root, lists, approves, saves a version, deletes it", async () => {
    expect((await requests("GET /")).status).toBe(200);
    const bytes = await readFile(join(lab.folder, "spleen_10.nii.gz"));
    const first = slicerForm({ params: "{}" }, { label: { name: "spleen_10.nii.gz", bytes } });
    await requests("PUT /datastore/label?image=spleen_10", first.body, first.type);
    const meta = { segmentationMeta: { status: "approved", approvedBy: "dr-who", level: "hard", comment: "", editTime: 1 }, label_info: [] };
    const form = `params=${encodeURIComponent(JSON.stringify(meta))}`;
    expect((await requests("PUT /datastore/updatelabelinfo?label=spleen_10&tag=final", form, "application/x-www-form-urlencoded")).status).toBe(200);
    const version = slicerForm({ params: "{}" }, { label: { name: "spleen_10.nrrd", bytes: await readFile(join(lab.folder, "spleen_10.nii.gz")) } });
    const named = Buffer.from(version.body.toString("latin1").replace("spleen_10.nrrd", "spleen_10.nii.gz"), "latin1");
    expect((await requests("PUT /datastore/label?image=spleen_10&tag=version_1", named, version.type)).status).toBe(200);
    const { objects } = json(await requests("GET /datastore/?output=all")) as { objects: Record<string, { labels: Record<string, { info: Record<string, object> }> }> };
    expect(objects.spleen_10.labels.final.info).toMatchObject(meta);
    expect(Object.keys(objects.spleen_10.labels)).toContain("version_1");
    expect((await requests("DELETE /datastore/label?id=spleen_10&tag=version_1")).status).toBe(200);
    const label = await requests("GET /datastore/label?label=spleen_10&tag=final");
    expect(label.body).toEqual(bytes);
    expect((await requests("GET /datastore/label?label=spleen_10&tag=version_1")).status).toBe(404);
  });
});
