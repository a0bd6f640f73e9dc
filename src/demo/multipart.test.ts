import { describe, expect, it } from "vitest";
import { parseMultipart } from "./multipart.js";

const b = "abc123";
const crlf = (...lines: string[]) => Buffer.from(lines.join("\r\n"), "latin1");

describe("parseMultipart", () => {
  it("reads the answer of /infer as the protocol lays it out", () => {
    const binary = Buffer.from([0, 13, 10, 45, 45, 255, 13, 10]);
    const body = Buffer.concat([
      crlf(`--${b}`, 'Content-Disposition: form-data; name="params"', "Content-Type: application/json", "", '{"a":1}', ""),
      crlf(`--${b}`, 'Content-Disposition: form-data; name="image"; filename="x.nii.gz"', "Content-Type: application/octet-stream", "", ""),
      binary,
      crlf("", `--${b}--`, ""),
    ]);
    const parts = parseMultipart(`multipart/form-data; boundary=${b}`, body);
    expect(parts.map(({ name, filename, type }) => [name, filename, type])).toEqual([
      ["params", "", "application/json"],
      ["image", "x.nii.gz", "application/octet-stream"],
    ]);
    expect(JSON.parse(parts[0].body.toString())).toEqual({ a: 1 });
    expect(parts[1].body.equals(binary)).toBe(true);
  });

  it("reads quoted boundaries, a preamble, and parts without content", () => {
    const body = crlf("preamble", `--${b}`, "content-disposition: form-data; name=empty", "", "", `--${b}--`);
    const [part] = parseMultipart(`multipart/form-data; boundary="${b}"`, body);
    expect([part.name, part.body.length]).toEqual(["empty", 0]);
  });

  it("agrees with the runtime's own writer", async () => {
    const form = new FormData();
    form.append("params", new Blob(["{}"], { type: "application/json" }));
    form.append("image", new Blob([new Uint8Array([1, 2, 3])]), "m.nrrd");
    const answer = new Response(form);
    const parts = parseMultipart(answer.headers.get("content-type")!, Buffer.from(await answer.arrayBuffer()));
    expect(parts.map((part) => [part.name, part.body.length])).toEqual([["params", 2], ["image", 3]]);
  });

  it("refuses what is cut short or is no multipart answer", () => {
    const type = `multipart/form-data; boundary=${b}`;
    expect(() => parseMultipart(type, crlf(`--${b}`, "A: b", "", "half a bod"))).toThrow("ends before");
    expect(() => parseMultipart(type, Buffer.alloc(0))).toThrow("ends before");
    expect(() => parseMultipart("application/json", Buffer.from("{}"))).toThrow("application/json");
  });
});
