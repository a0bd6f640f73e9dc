import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Geometry, Shape } from "../imaging/geometry.js";
import { encodeMask } from "../imaging/mask.js";
import { RestInteract, saveLabel } from "./rest-interact.js";

const shape: Shape = [5, 4, 3];
const geometry: Geometry = { affine: [2, 0, 0, -10, 0, 2, 0, -20, 0, 0, 4, 7] };

let folder: string;
let server: Server;
let url: string;
let answer: (request: IncomingMessage, form: FormData) => Promise<Response> | Response;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-rest-"));
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const type = request.headers["content-type"];
    const form = type ? await new Response(Buffer.concat(chunks), { headers: { "content-type": type } }).formData() : new FormData();
    const made = await answer(request, form);
    response.writeHead(made.status, { "content-type": made.headers.get("content-type") ?? "text/plain" });
    response.end(Buffer.from(await made.arrayBuffer()));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true });
});

async function reply(of: Shape, json: object): Promise<Response> {
  const file = join(folder, "reply.nii.gz");
  const mask = new Uint8Array(of[0] * of[1] * of[2]);
  mask[7] = 1;
  await encodeMask(mask, of, geometry, ".nii.gz", file);
  const form = new FormData();
  form.append("params", new Blob([JSON.stringify(json)], { type: "application/json" }));
  form.append("image", new Blob([new Uint8Array(await readFile(file))]), "m.nii.gz");
  return new Response(form);
}

const user = () => new RestInteract({ url, image: "a b", label: "tumour", axis: 1, grid: { shape, geometry }, folder });
const clicks = [{ slice: 2, row: 1, col: 4, positive: true }, { slice: 0, row: 2, col: 3, positive: false }];

describe("RestInteract", () => {
  it("sends all clicks as voxels and reads mask, seconds and kept slices", async () => {
    let sent: Record<string, unknown> = {};
    let path = "";
    answer = (request, form) => {
      path = request.url!;
      sent = JSON.parse(String(form.get("params")));
      const slices = [{ index: 0, winner: "previous" }, { index: 1, winner: "current" }, { index: 2, winner: "previous" }];
      return reply(shape, { latencies: { infer: 9 }, limnet: { rounds: [{ seconds: 1 }, { seconds: 2.5, propagated: 3 }], slices } });
    };
    const got = await user().segment(clicks, { propagate: true });
    expect(path).toBe("/infer/limnet?image=a%20b&output=all");
    expect(sent).toMatchObject({ foreground: [[4, 2, 1]], background: [[3, 0, 2]], label: "tumour", axis: 1, result_extension: ".nii.gz" });
    expect([...got.mask].indexOf(1)).toBe(7);
    expect(got).toMatchObject({ kept: 2, propagated: 3, seconds: { propagate: 2.5 } });
  });

  it("says so when the mask is not on the grid of the image", async () => {
    answer = () => reply([5, 4, 2], { latencies: { infer: 1 } });
    await expect(user().segment(clicks, { propagate: true })).rejects.toThrow("not on the grid");
  });

  it("passes on the sentence of a refusal", async () => {
    answer = () => Response.json({ detail: "Click [9, 9, 9] lies outside." }, { status: 422 });
    await expect(user().segment(clicks, { propagate: false })).rejects.toThrow("POST /infer/limnet_2d was answered with 422: Click [9, 9, 9] lies outside.");
  });
});

describe("saveLabel", () => {
  it("puts the file under the final tag and looks whether it is listed", async () => {
    const seen: string[] = [];
    answer = (request) => {
      seen.push(`${request.method} ${request.url}`);
      return Response.json({ label_tags: { final: 1 } });
    };
    await saveLabel(url, "x", Buffer.from("mask"), "tumour");
    expect(seen).toEqual(["PUT /datastore/label?image=x&tag=final", "GET /datastore/"]);
    answer = () => Response.json({ label_tags: {} });
    await expect(saveLabel(url, "x", Buffer.from("mask"), "tumour")).rejects.toThrow("does not list");
  });
});
