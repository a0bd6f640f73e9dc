/** The OHIF extensions, v3 in a browser with axios and the older v2: requests byte for byte, replies as their NRRD reader takes them (protocol 4.3, 4.4). */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Lab, openLab } from "../protocol/harness.js";
import { exchange, requestOf, type WireReply } from "./wire.js";

let lab: Lab;
let port: number;
beforeAll(async () => {
  lab = await openLab(["1.2.840.1.nii.gz"]);
  ({ port } = await lab.server.listen());
});
afterAll(() => lab.close());

/** As Chromium sends an axios request from a viewer that is served from another local port. */
function browser(line: string, body: Buffer | string = "", type = ""): Promise<WireReply> {
  return exchange(port, requestOf(line, [
    ["Host", `127.0.0.1:${port}`], ["Connection", "keep-alive"], ["Content-Length", String(body.length)],
    ["sec-ch-ua-platform", '"Linux"'], ["User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"],
    ["Accept", "application/json,multipart/form-data"], ...(type === "" ? [] : [["Content-Type", type]] as const),
    ["Origin", "http://127.0.0.1:3000"], ["Sec-Fetch-Site", "same-site"], ["Sec-Fetch-Mode", "cors"], ["Sec-Fetch-Dest", "empty"],
    ["Referer", "http://127.0.0.1:3000/"], ["Accept-Encoding", "gzip, deflate, br, zstd"], ["Accept-Language", "en-US,en;q=0.9"],
  ], body));
}

/** A browser's FormData with text fields and files. */
function formData(fields: Record<string, string | { name: string; type: string; bytes: Buffer }>): { type: string; body: Buffer } {
  const boundary = "----WebKitFormBoundaryY7Zc0mJ8Qk3oW1aB";
  const parts = Object.entries(fields).flatMap(([name, value]) => (typeof value === "string"
    ? [Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`)]
    : [Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="${value.name}"\r\nContent-Type: ${value.type}\r\n\r\n`), value.bytes, Buffer.from("\r\n")]));
  return { type: `multipart/form-data; boundary=${boundary}`, body: Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]) };
}

/** The reader of the extension: raw bytes only, one a voxel, header lines up to the empty one. Throws where it throws. */
function parsed(body: Buffer): { sizes: number[]; voxels: Uint8Array } {
  const end = body.indexOf("\n\n");
  const [magic, ...lines] = body.subarray(0, end).toString("latin1").split(/\r?\n/);
  if (!magic.startsWith("NRRD000")) throw new Error("no NRRD");
  const fields = new Map(lines.filter((line) => !line.startsWith("#") && line.includes(": ")).map((line) => line.split(": ", 2) as [string, string]));
  if (fields.get("encoding") !== "raw") throw new Error("only raw");
  if (!["uint8", "uchar", "unsigned char"].includes(fields.get("type")!)) throw new Error(`type ${fields.get("type")}`);
  const sizes = fields.get("sizes")!.split(" ").map(Number);
  const voxels = body.subarray(end + 2);
  if (voxels.length !== sizes.reduce((a, b) => a * b)) throw new Error("wrong number of bytes");
  return { sizes, voxels };
}

/** What OHIF adds to every request. */
const fixed = { result_extension: ".nrrd", result_dtype: "uint8", result_compress: false, restore_label_idx: false };

describe("OHIF v3", () => {
  it("asks before it sends JSON, and may read the answers", async () => {
    const preflight = await exchange(port, requestOf("OPTIONS /activelearning/first", [
      ["Host", `127.0.0.1:${port}`], ["Accept", "*/*"], ["Access-Control-Request-Method", "POST"], ["Access-Control-Request-Headers", "content-type"], ["Origin", "http://127.0.0.1:3000"],
    ]));
    expect(preflight.status).toBeLessThan(300);
    expect(preflight.headers.get("access-control-allow-origin")).toMatch(/^(\*|http:\/\/127\.0\.0\.1:3000)$/);
    expect(preflight.headers.get("access-control-allow-headers")?.toLowerCase()).toMatch(/content-type|\*/);
  });

  it("opens its panel", async () => {
    const info = await browser("GET /info/");
    expect(info.headers.get("access-control-allow-origin")).toMatch(/^(\*|http:\/\/127\.0\.0\.1:3000)$/);
    const { name, labels, models } = JSON.parse(info.body.toString()) as { name: string; labels: unknown; models: Record<string, object> };
    expect(name).not.toBe("");
    expect(labels).toBeInstanceOf(Array);
    expect(models.limnet).toMatchObject({ type: "deepgrow", dimension: 3, labels: ["tumour"] });
    expect((await browser("GET /train/?check_if_running=true")).status).toBe(404);
    expect((await browser("POST /activelearning/first", "{}", "application/json")).status).toBe(200);
  });

  it("clicks, with keys of other models left over, and reads one raw NRRD", async () => {
    const params = { ...fixed, foreground: [[1, 2, 0]], background: [[3, 0, 1]], label: "tumour", label_prompt: [1], points: [[9, 9, 9]], point_labels: [1] };
    const { type, body } = formData({ params: JSON.stringify(params) });
    const reply = await browser("POST /infer/limnet?image=1.2.840.1&output=image", body, type);
    expect(reply.status).toBe(200);
    expect(reply.headers.get("content-encoding") ?? "identity").toBe("identity");
    const { sizes, voxels } = parsed(reply.body);
    expect(sizes).toEqual([4, 3, 2]);
    expect([...new Set(voxels)]).toEqual([1]);
    expect(lab.seen.at(-1)).toMatchObject({ params: { foreground: [[1, 2, 0]], background: [[3, 0, 1]] } });
  });

  it("shows a failure, which CORS lets it see", async () => {
    const { type, body } = formData({ params: JSON.stringify(fixed) });
    const reply = await browser("POST /infer/nothing?image=1.2.840.1&output=image", body, type);
    expect(reply.status).toBe(404);
    expect(reply.headers.get("access-control-allow-origin")).toMatch(/^(\*|http:\/\/127\.0\.0\.1:3000)$/);
  });
});

describe("OHIF v2", () => {
  const info = { label_info: [{ id: "0+1", segmentIndex: 1, color: [255, 0, 0], name: "tumour", description: "", meta: { SegmentedPropertyTypeCodeSequence: {} } }] };

  it("submits bare voxels of two bytes", async () => {
    const bytes = Buffer.alloc(48);
    for (let n = 0; n < 24; n += 3) bytes.writeUInt16LE(1, n * 2);
    const { type, body } = formData({ params: JSON.stringify(info), label: { name: "label.bin", type: "application/octet-stream", bytes } });
    const reply = await browser("PUT /datastore/label?image=1.2.840.1", body, type);
    expect([reply.status, JSON.parse(reply.body.toString())]).toMatchObject([200, { image: "1.2.840.1" }]);
    const label = await browser("GET /datastore/label?label=1.2.840.1&tag=final");
    expect(label.status).toBe(200);
    expect(label.body.length).toBeGreaterThan(50);
  });

  it("is told when the number of bytes fits no voxel size", async () => {
    const { type, body } = formData({ params: JSON.stringify(info), label: { name: "label.bin", type: "application/octet-stream", bytes: Buffer.alloc(47) } });
    const reply = await browser("PUT /datastore/label?image=1.2.840.1", body, type);
    expect(reply.status).toBeGreaterThanOrEqual(400);
    expect(reply.status).toBeLessThan(500);
    expect(reply.body.toString()).toMatch(/24|bytes/);
    expect((await readFile(join(lab.folder, "1.2.840.1.nii.gz"))).length).toBeGreaterThan(0);
  });

  it("clicks with float pixels", async () => {
    const { type, body } = formData({ params: JSON.stringify({ ...fixed, result_dtype: "uint16", foreground: [[1.4, 1.6, 0]], background: [], label: "tumour" }) });
    expect((await browser("POST /infer/limnet?image=1.2.840.1&output=image", body, type)).status).toBe(200);
  });
});
