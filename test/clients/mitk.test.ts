/** MITK's MonaiLabel tools: the request of its HTTP library byte for byte, and its way of splitting the reply by string search (protocol 4.6). */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readVolume } from "../../src/imaging/read.js";
import { type Lab, openLab, shape } from "../protocol/harness.js";
import { exchange, requestOf, type WireReply } from "./wire.js";

let lab: Lab;
let port: number;
let scan: Buffer;
beforeAll(async () => {
  lab = await openLab(["scan_1.nii.gz"]);
  ({ port } = await lab.server.listen());
  scan = await readFile(join(lab.folder, "scan_1.nii.gz"));
});
afterAll(() => lab.close());

function infer(params: object): Promise<WireReply> {
  const boundary = "--cpp-httplib-multipart-data-3kWmDtwqJb9cQpYz";
  const body = Buffer.concat([
    Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="params"\r\nContent-Type: application/json\r\n\r\n${JSON.stringify(params)}\r\n`),
    Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="/tmp/mitk/post_from_mitk.nii.gz"\r\nContent-Type: application/octet-stream\r\n\r\n`),
    scan, Buffer.from(`\r\n--${boundary}--\r\n`),
  ]);
  return exchange(port, requestOf("POST /infer/limnet", [
    ["Host", `127.0.0.1:${port}`], ["Accept", "*/*"], ["User-Agent", "cpp-httplib/0.14.1"], ["Content-Type", `multipart/form-data; boundary=${boundary}`], ["Content-Length", String(body.length)],
  ], body));
}

/** MITK's parser. Returns the JSON and the bytes that it writes to `.nii.gz`. */
function split({ headers, body }: WireReply): { params: Record<string, unknown>; file: Buffer } {
  const text = body.toString("latin1");
  const type = headers.get("content-type")!;
  const boundary = type.slice(type.indexOf("boundary=") + "boundary=".length);
  const sections = text.split(boundary);
  const section = (name: string) => {
    const found = sections.find((part) => part.includes(name));
    if (found === undefined) throw new Error(`no part ${name}`);
    return found.slice(found.indexOf(name) + name.length);
  };
  const trimmed = (part: string) => part.replace(/^[\r\n ]+/, "");
  const strip = (part: string) => part.slice(0, part.lastIndexOf("\r\n--"));
  expect(text.indexOf("Content-Type: application/json")).toBeLessThan(text.indexOf("Content-Type: application/octet-stream"));
  return {
    params: JSON.parse(strip(trimmed(section("Content-Type: application/json")))) as Record<string, unknown>,
    file: Buffer.from(strip(trimmed(section("Content-Type: application/octet-stream"))), "latin1"),
  };
}

describe("MITK", () => {
  it("reads what it needs of /info/", async () => {
    const reply = await exchange(port, requestOf("GET /info/", [["Host", `127.0.0.1:${port}`], ["Accept", "*/*"], ["User-Agent", "cpp-httplib/0.14.1"]]));
    const { name, description, labels, models } = JSON.parse(reply.body.toString()) as Record<string, string & Record<string, object>>;
    expect([typeof name, typeof description]).toEqual(["string", "string"]);
    expect(labels).toBeInstanceOf(Array);
    for (const model of Object.values(models)) expect(model).toMatchObject({ type: expect.any(String), dimension: expect.any(Number), description: expect.any(String), labels: expect.anything() });
  });

  it("clicks with the volume in the request, and writes the answer to a NIfTI file", async () => {
    const reply = await infer({ foreground: [[1, 2, 0]], background: [], reset_state: true });
    expect(reply.status).toBe(200);
    expect(reply.headers.get("content-type")).toMatch(/boundary=[^";\s]+$/);
    const { params, file } = split(reply);
    expect(params).toHaveProperty("label_names");
    const saved = join(lab.folder, ".mitk.nii.gz");
    await writeFile(saved, file);
    expect((await readVolume(saved)).shape).toEqual(shape);
    expect(lab.seen.at(-1)).toMatchObject({ image: { ext: ".nii.gz" }, params: { foreground: [[1, 2, 0]] } });
  });

  it("sends the clicks again with one more", async () => {
    expect((await infer({ foreground: [[1, 2, 0], [2, 2, 0]], background: [[0, 0, 1]], reset_state: false })).status).toBe(200);
    const [before, after] = lab.seen.slice(-2);
    expect(after.image.digest).toBe(before.image.digest);
    expect(after.params).toMatchObject({ foreground: [[1, 2, 0], [2, 2, 0]], background: [[0, 0, 1]] });
  });
});
