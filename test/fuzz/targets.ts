/** What is fuzzed: the readers of image files, the forms and the JSON of a running server with the real app. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { Agent, request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { LimnetApp } from "../../src/apps/limnet/app.js";
import { FakeEngine } from "../../src/apps/limnet/testing.js";
import { LimnetError } from "../../src/errors.js";
import { readHeader, readVolume } from "../../src/imaging/read.js";
import { fixtures, niftiHeader } from "../fixtures/imaging/make.js";
import { openLab, shape, slicerForm } from "../protocol/harness.js";
import { mutate, mutateJson, type Random } from "./mutate.js";

/** What became of an input; anything else that happens is a finding. */
export type Outcome = "taken" | "refused";

export interface Target {
  readonly name: string;
  /** Makes one input and feeds it. Throws where the answer is not one that a caller may get. */
  try(random: Random): Promise<Outcome>;
  close(): Promise<void>;
}

const limits = { maxVoxels: 1e6, maxVolumeBytes: 1 << 23 };

async function readerTarget(name: string, make: (random: Random) => Buffer): Promise<Target> {
  const folder = await mkdtemp(join(tmpdir(), "limnet-fuzz-"));
  const path = join(folder, "input");
  return {
    name,
    async try(random) {
      await writeFile(path, make(random));
      try {
        await readHeader(path, limits);
        await readVolume(path, limits);
        return "taken";
      } catch (error) {
        if (error instanceof LimnetError && error.code === "bad_volume" && !error.message.includes(folder)) return "refused";
        throw error;
      }
    },
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

/** NIfTI-1, plain, packed after the damage, and damaged after packing. */
export async function niftiTarget(): Promise<Target> {
  const plain = Buffer.concat([niftiHeader({ dims: [3, 6, 5, 4], code: 4 }), Buffer.alloc(240, 7)]);
  const packed = await readFile(`${fixtures}RAS.nii.gz`);
  return readerTarget("nifti", (random) => {
    const kind = random();
    if (kind < 0.4) return mutate(plain, random, 352);
    if (kind < 0.8) return gzipSync(mutate(plain, random, 352), { level: 1 });
    return mutate(packed, random, packed.length);
  });
}

/** NRRD with every encoding, and its neighbour MetaImage. */
export async function nrrdTarget(): Promise<Target> {
  const head = (encoding: string) => `NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 6 5 4\nspace directions: (1,0,0) (0,1,0) (0,0,2)\nkinds: domain domain domain\nendian: little\nencoding: ${encoding}\nspace origin: (0,0,0)\n\n`;
  const voxels = Buffer.alloc(240, 3);
  const good = [
    Buffer.concat([Buffer.from(head("raw")), voxels]),
    Buffer.concat([Buffer.from(head("gzip")), gzipSync(voxels)]),
    Buffer.from(head("ascii") + "1 2 3 4 5 6\n".repeat(20)),
    await readFile(`${fixtures}oblique.nrrd`),
    await readFile(`${fixtures}oblique.mha`),
    Buffer.concat([Buffer.from("ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = False\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\nElementSpacing = 1 1 2\nDimSize = 6 5 4\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"), voxels]),
  ];
  return readerTarget("nrrd", (random) => mutate(good[Math.floor(random() * good.length)], random, 600));
}

/** Reads the volume as the real engine does, then answers with arithmetic in its grid. */
class ReadingEngine extends FakeEngine {
  override async segment(...[job, options]: Parameters<FakeEngine["segment"]>): ReturnType<FakeEngine["segment"]> {
    const { shape } = await readVolume(job.volumePath, limits);
    return new FakeEngine(shape).segment(job, options);
  }
}

/** A server with the app itself; only the networks are played by a few lines of arithmetic. */
async function serverTarget(name: string, make: (random: Random) => { method: string; path: string; type: string; body: Buffer }): Promise<Target> {
  const lab = await openLab(["scan_1.nii.gz"], { maxSessions: 20, maxVoxels: 1e6, maxUploadBytes: 1 << 20 });
  const engine = new ReadingEngine(shape);
  const app = new LimnetApp({ name: "t", description: "", version: "0", labels: ["tumour"], engine, stateDir: join(lab.folder, ".objects") });
  await app.start();
  lab.behave.run = (request, options) => app.models.get("limnet")!.run(request, options);
  const { port } = await lab.server.listen();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return {
    name,
    async try(random) {
      // What the stand-ins remember is not the server's.
      lab.seen.length = 0;
      const { method, path, type, body } = make(random);
      const { status, text } = await send({ port, agent, method, path, type, body });
      // 429: the limit of sessions. 507 would be a disk or memory that is full.
      if (status >= 500 && status !== 501) throw new Error(`${status} ${text.slice(0, 300)} for ${method} ${path}, ${JSON.stringify(body.toString("latin1").slice(0, 1000))}`);
      if (status >= 400 && JSON.parse(text).detail === undefined) throw new Error(`${status} without a detail: ${text.slice(0, 300)}`);
      return status === 200 ? "taken" : "refused";
    },
    async close() {
      agent.destroy();
      // Its state lies in the lab's folder, and it may still write what the last answer did not wait for.
      await app.close();
      await lab.close();
    },
  };
}

interface Sent {
  readonly port: number;
  readonly agent: Agent;
  readonly method: string;
  readonly path: string;
  readonly type: string;
  readonly body: Buffer;
}

function send({ port, agent, method, path, type, body }: Sent): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const req = httpRequest({ port, host: "127.0.0.1", agent, method, path, headers: { "Content-Type": type, "Content-Length": body.length } }, (res) => {
      const chunks: Buffer[] = [];
      res.on("data", (chunk: Buffer) => chunks.push(chunk));
      res.on("error", reject);
      res.on("end", () => resolve({ status: res.statusCode!, text: Buffer.concat(chunks).toString("utf8") }));
    });
    req.on("error", reject);
    req.end(body);
  });
}

const params = { foreground: [[1, 1, 1], [2, 1, 0]], background: [[0, 0, 0]], label: "tumour", axis: "auto", result_extension: ".nrrd", result_dtype: "uint8", result_compress: false, window: [0, 100], client_id: "user-xyz" };

/** Forms as Slicer writes them, damaged, and damaged scans in good forms. */
export async function multipartTarget(): Promise<Target> {
  const scan = gzipSync(Buffer.concat([niftiHeader({ dims: [3, 4, 3, 2] }), Buffer.alloc(24, 1)]));
  const bytes = (random: Random) => ({ name: "C:\\Users\\jane\\scan.nii.gz", bytes: random() < 0.5 ? scan : mutate(scan, random) });
  const forms: [method: string, path: string, (random: Random) => ReturnType<typeof slicerForm>][] = [
    ["PUT", "/datastore/image?image=fuzz", (random) => slicerForm({ params: '{"client_id":"user-xyz"}' }, { file: bytes(random) })],
    ["PUT", "/datastore/label?image=scan_1&tag=fuzz", (random) => slicerForm({ params: '{"label_info":[{"name":"a","idx":1}]}' }, { label: bytes(random) })],
    ["PUT", "/session/?expiry=1", (random) => slicerForm({ client_id: "u" }, { files: bytes(random) })],
    ["POST", "/infer/limnet?output=json", (random) => slicerForm({ params: JSON.stringify(params) }, { file: bytes(random) })],
    ["POST", "/infer/limnet?image=scan_1", () => slicerForm({ params: JSON.stringify(params) })],
  ];
  return serverTarget("multipart", (random) => {
    const [method, path, form] = forms[Math.floor(random() * forms.length)];
    const { type, body } = form(random);
    const damaged = random() < 0.8 ? mutate(body, random, body.length) : body;
    return { method, path, type: random() < 0.05 ? headerSafe(mutate(Buffer.from(type), random)) : type, body: damaged };
  });
}

/** JSON of every shape as `params` and as a body, and text that is almost JSON. */
export async function jsonTarget(): Promise<Target> {
  const text = (good: unknown, random: Random) => {
    const json = Buffer.from(JSON.stringify(random() < 0.7 ? mutateJson(good, random) : good));
    return random() < 0.4 ? mutate(json, random) : json;
  };
  return serverTarget("json", (random) => {
    if (random() < 0.25) {
      return { method: "POST", path: "/activelearning/first", type: "application/json", body: text({ client_id: "user-xyz", labels: ["a"], label_tag: "final", seed: 1 }, random) };
    }
    const query = ["image=scan_1&output=json", "image=scan_1", "image=scan_1&output=image"][Math.floor(random() * 3)];
    return { method: "POST", path: `/infer/limnet?${query}`, type: "application/x-www-form-urlencoded", body: Buffer.from(`params=${escapeBytes(text(params, random))}`) };
  });
}

function escapeBytes(bytes: Buffer): string {
  return [...bytes].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
}

function headerSafe(bytes: Buffer): string {
  return bytes.toString("latin1").replace(/[^\x20-\x7e]/g, "?") || "x";
}
