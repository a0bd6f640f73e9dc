import { readFile } from "node:fs/promises";
import { createConnection } from "node:net";
import { join } from "node:path";
import request from "supertest";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { fileDigest } from "../../src/imaging/digest.js";
import { type Lab, maskTask, openLab, slicerForm } from "./harness.js";

let lab: Lab;
let port: number;

beforeAll(async () => {
  lab = await openLab(["scan_1.nii.gz", "a b+c.nii.gz"], { maxFieldBytes: 2_000_000, maxUploadBytes: 100_000 });
  ({ port } = await lab.server.listen());
});
afterAll(() => lab.close());
beforeEach(() => {
  lab.seen.length = 0;
  lab.behave.run = maskTask;
});

const post = (path: string) => request(lab.server.http).post(path);

describe("what /infer accepts", () => {
  it("Slicer's multipart: odd boundary, extra line end, params as text", async () => {
    const { type, body } = slicerForm({ params: '{"foreground":[[1,2,0]],"client_id":"user-xyz"}' });
    await post("/infer/limnet?image=scan_1&output=json").set("Content-Type", type).send(body).expect(200);
    expect(lab.seen[0]).toMatchObject({ user: "user-xyz", params: { foreground: [[1, 2, 0]] }, image: { id: "scan_1", ext: ".nii.gz" } });
    expect(lab.seen[0].image.digest).toBe(await fileDigest(join(lab.folder, "scan_1.nii.gz")));
  });

  it("a file part named by the client's full path, with image= empty", async () => {
    const bytes = await readFile(join(lab.folder, "scan_1.nii.gz"));
    for (const name of ["/home/jane doe/Müller.2.nii.gz", "C:\\\\Users\\\\jane\\\\scan.nii.gz", "post_from_mitk.nii.gz"]) {
      const { type, body } = slicerForm({ params: "{}" }, { file: { name, bytes } });
      const reply = await post("/infer/limnet?image=").set("Content-Type", type).send(body).buffer(true).expect(200);
      expect(reply.headers["content-type"]).toMatch(/^multipart\/form-data/);
    }
    expect(lab.seen.map(({ image }) => [image.id, image.ext])).toEqual([["", ".nii.gz"], ["", ".nii.gz"], ["", ".nii.gz"]]);
    expect(lab.seen[0].image.digest).toBe(await fileDigest(join(lab.folder, "scan_1.nii.gz")));
    expect(lab.seen[0].image.path).not.toMatch(/jane|Müller/);
  });

  it("params as a browser's Blob (with a file name) and as JSON-typed text", async () => {
    await post("/infer/limnet?image=scan_1&output=json").attach("params", Buffer.from('{"label":"x"}'), { filename: "blob", contentType: "application/json" }).expect(200);
    await post("/infer/limnet?image=scan_1&output=json").field("params", '{"label":"y"}', { contentType: "application/json" }).expect(200);
    expect(lab.seen.map(({ params }) => params.label)).toEqual(["x", "y"]);
  });

  it("urlencoded, no body, a JSON body (ignored), empty params", async () => {
    await post("/infer/limnet?image=scan_1&output=json").type("form").send({ params: '{"label":"x"}' }).expect(200);
    await post("/infer/limnet?image=scan_1&output=json").expect(200);
    await post("/infer/limnet?image=scan_1&output=json").send({ params: '{"label":"x"}' }).expect(200);
    await post("/infer/limnet?image=scan_1&output=json").type("form").send({ params: "" }).expect(200);
    expect(lab.seen.map(({ params }) => params)).toEqual([{ label: "x" }, {}, {}, {}]);
  });

  it("big params, and unknown parts and query keys", async () => {
    const params = JSON.stringify({ foreground: Array.from({ length: 100_000 }, (_, n) => [n, 1, 1]) });
    await post("/infer/limnet?image=scan_1&output=json&foo[bar]=1&token=").field("params", params).attach("extra", Buffer.from("x"), "x.bin").expect(200);
    expect((lab.seen[0].params.foreground as unknown[]).length).toBe(100_000);
  });

  it("ids with + and spaces as forms quote them; the last of repeated keys counts", async () => {
    await post("/infer/limnet?image=nobody&image=a+b%2Bc&output=json").expect(200);
    expect(lab.seen[0].image.id).toBe("a b+c");
  });

  it("model and image inside params mean nothing", async () => {
    await post("/infer/limnet?image=scan_1&output=json").type("form").send({ params: '{"model":"other","image":"/etc/passwd","label":"x"}' }).expect(200);
    expect(lab.seen[0]).toMatchObject({ params: { label: "x" }, image: { id: "scan_1" } });
    expect(lab.seen[0].params).not.toHaveProperty("image");
  });
});

describe("what /infer refuses, with a sentence", () => {
  it.each([
    ["/infer/limnet?image=nobody", 404, /nobody.*NOT Found/],
    ["/infer/limnet?image=undefined", 404, /NOT Found/],
    ["/infer/limnet?image=%2Fetc%2Fpasswd", 404, /NOT Found/],
    ["/infer/limnet?image=..%2Fscan_1", 404, /NOT Found/],
    ["/infer/limnet?image=__proto__", 404, /NOT Found/],
    ["/infer/other?image=scan_1", 404, /Models of this server: limnet/],
    ["/infer/limnet", 400, /\?image=ID/],
    ["/infer/limnet?session_id=xyz", 404, /Session \(xyz\) Not Found/],
  ])("%s", async (path, status, sentence) => {
    const reply = await post(path).set("Origin", "http://localhost:3000").expect(status);
    expect(reply.body.detail).toMatch(sentence);
    expect(reply.headers["access-control-allow-origin"]).toBe("http://localhost:3000");
    expect(lab.seen).toEqual([]);
  });

  it.each(["{x", "null", "[1]", '"text"', "3"])("params %s", async (params) => {
    const reply = await post("/infer/limnet?image=scan_1").type("form").send({ params }).expect(400);
    expect(reply.body.detail).toMatch(/"params"/);
  });

  it("an upload beyond the limits, told and untold", async () => {
    const big = Buffer.alloc(200_000);
    await post("/infer/limnet").attach("file", big, "x.nii.gz").expect(413);
    await post("/infer/limnet").field("params", `{"x":"${"y".repeat(2_000_000)}"}`).expect(413);
    await post("/infer/limnet").attach("params", Buffer.alloc(99_000), "blob").expect(400);
  });

  it.each([["file", 400], ["nobody-asked", 400]])("a file (%s) that begins after the end of its form and does not end, which a parser could wait for for ever", async (name, status) => {
    const boundary = "----------lImIt_of_THE_fIle_eW_$";
    const body = `--${boundary}--\r\n--${boundary}\r\nContent-Disposition: form-data; name="params"\r\n\r\n{}\r\n--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="scan.nii.gz"\r\n\r\nhalf of it\r\n`;
    const reply = await post("/infer/limnet?image=scan_1").set("Content-Type", `multipart/form-data; boundary=${boundary}`).send(body).expect(status);
    expect(reply.body.detail).toContain("form");
  });

  it("a form that ends early", async () => {
    const { type, body } = slicerForm({ params: "{}" }, { file: { name: "x.nii.gz", bytes: Buffer.alloc(100) } });
    const reply = await post("/infer/limnet").set("Content-Type", type).send(body.subarray(0, body.length - 60)).expect(400);
    expect(reply.body.detail).toMatch(/multipart/);
    await post("/infer/limnet").set("Content-Type", "multipart/form-data").send("x").expect(400);
    expect(lab.seen).toEqual([]);
  });

  it("a crash of the model is a JSON 500 with CORS that tells nothing about the server", async () => {
    lab.behave.run = async () => {
      throw new Error(`cannot open ${lab.folder}`);
    };
    const reply = await post("/infer/limnet?image=scan_1").set("Origin", "http://localhost:3000").expect(500);
    expect(reply.body.detail).not.toContain(lab.folder);
    expect(reply.headers["access-control-allow-origin"]).toBe("http://localhost:3000");
  });
});

describe("a client that hangs up", () => {
  it("aborts the signal that the model was given", async () => {
    let told = () => {};
    const aborted = new Promise<void>((resolve) => { told = resolve; });
    let started = () => {};
    const running = new Promise<void>((resolve) => { started = resolve; });
    lab.behave.run = (_request, { signal }) => new Promise((_resolve, reject) => {
      started();
      signal.addEventListener("abort", () => {
        told();
        reject(new Error("cancelled"));
      });
    });
    const socket = createConnection(port, "127.0.0.1");
    socket.write("POST /infer/limnet?image=scan_1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    await running;
    socket.destroy();
    await aborted;
  });
});
