/**
 * A folder of 100,000 images: how soon the server is ready, how fast it answers, what memory it takes; and an upload of 200 MB against
 * `cp` + `fsync`. `npx tsx bench/datastore.ts [--images N] [--megabytes N]`. Prints; asserts nothing.
 */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { copyFile, link, mkdir, mkdtemp, open, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { type ServerProcess, startServerProcess } from "../src/demo/server-process.js";
import { writeNifti } from "../src/imaging/nifti-write.js";
import { memoryOf, peakMemory } from "./memory.js";
import { type Figure, median, printFigures, quantile } from "./statistics.js";

const app = fileURLToPath(new URL("../sample-apps/radiology", import.meta.url));
const start = (studies: string) => startServerProcess(["--app", app, "--studies", studies, "--port", "0", "--verbose", "ERROR"]);
const affine = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0] as const;

/** Tiny scans; hard links, because a file takes a block of the disk and a link takes none. A tenth of them is labelled. */
async function makeFolder(folder: string, images: number): Promise<void> {
  const tags = ["final", "original"];
  for (const tag of tags) await mkdir(join(folder, "labels", tag), { recursive: true });
  const tiny = join(folder, "scan_000000.nii");
  await writeNifti({ voxels: new Uint8Array(8), shape: [2, 2, 2], geometry: { affine }, slope: 1, intercept: 0 }, tiny, { gzip: false });
  // ext4 allows 65,000 links to one file.
  let source = tiny;
  for (let n = 1; n < images; n++) {
    const path = join(folder, `scan_${String(n).padStart(6, "0")}.nii`);
    if (n % 30_000 === 0) {
      await copyFile(tiny, path);
      source = path;
    } else {
      await link(source, path);
    }
    if (n % 10 === 0) await link(source, join(folder, "labels", "final", `scan_${String(n).padStart(6, "0")}.nii`));
  }
}

interface Timed {
  readonly milliseconds: number;
  readonly body: string;
}

async function timed(url: string, init?: RequestInit): Promise<Timed> {
  const from = performance.now();
  const answer = await fetch(url, init);
  const body = await answer.text();
  if (answer.status !== 200) throw new Error(`${url} answered ${answer.status}: ${body.slice(0, 300)}`);
  return { milliseconds: performance.now() - from, body };
}

async function repeated(count: number, ask: (n: number) => Promise<Timed>): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < count; n++) times.push((await ask(n)).milliseconds);
  return times;
}

/** Spawn to the first 200 of /info/. */
async function ready(studies: string): Promise<{ server: ServerProcess; seconds: number }> {
  const from = performance.now();
  const server = await start(studies);
  await timed(`${server.url}/info/`);
  return { server, seconds: (performance.now() - from) / 1000 };
}

async function manyImages(images: number, folder: string): Promise<Figure[]> {
  const first = await ready(folder);
  await first.server.close();
  const { server, seconds } = await ready(folder);
  try {
    const { url, pid } = server;
    await sleep(2000);
    const idle = await memoryOf(pid);
    const info = await repeated(100, () => timed(`${url}/info/`));
    const random = await repeated(200, (n) => timed(`${url}/activelearning/random`, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ client_id: `user-${n}` }),
    }));
    const labelInfo = await repeated(200, (n) => timed(`${url}/datastore/label/info?label=scan_${String(n * 10 + 10).padStart(6, "0")}&tag=final`));
    const label = await open(join(folder, "scan_000000.nii")).then(async (file) => {
      const bytes = await file.readFile();
      await file.close();
      return bytes;
    });
    const saved = await repeated(20, (n) => {
      const form = new FormData();
      form.append("label", new Blob([new Uint8Array(label)]), "label.nii");
      return timed(`${url}/datastore/label?image=scan_${String(n * 10 + 1).padStart(6, "0")}`, { method: "PUT", body: form });
    });
    const after = await repeated(20, async (n) => {
      const form = new FormData();
      form.append("label", new Blob([new Uint8Array(label)]), "label.nii");
      await timed(`${url}/datastore/label?image=scan_${String(n * 10 + 2).padStart(6, "0")}`, { method: "PUT", body: form });
      return timed(`${url}/datastore/label/info?label=scan_${String(n * 10 + 2).padStart(6, "0")}&tag=final`);
    });
    const all = await timed(`${url}/datastore/?output=all`);
    const train = await timed(`${url}/datastore/?output=train`);
    const busy = await peakMemory(pid);
    const note = `${images} images, a tenth of them labelled`;
    const most = (value: number) => ({ value, kind: "most" as const });
    return [
      { name: "ready, first start", value: first.seconds, unit: "s", target: most(5), note: `${note}; the index is made` },
      { name: "ready, second start", value: seconds, unit: "s", target: most(5), note: `${note}; the index is read` },
      { name: "GET /info/, p99", value: quantile(info, 0.99), unit: "ms", note },
      { name: "POST /activelearning/random, p50", value: median(random), unit: "ms", target: most(50), note },
      { name: "POST /activelearning/random, p99", value: quantile(random, 0.99), unit: "ms", target: most(50), note: "each request another client" },
      { name: "GET /datastore/label/info, p99", value: quantile(labelInfo, 0.99), unit: "ms", target: most(50), note },
      { name: "the same right after a label was saved", value: quantile(after, 0.99), unit: "ms", target: most(50), note: "worst of 20" },
      { name: "PUT /datastore/label, p50", value: median(saved), unit: "ms", note: "file and index on the disk" },
      { name: "GET /datastore/?output=all", value: all.milliseconds, unit: "ms", note: `${(all.body.length / 1e6).toFixed(1)} MB of JSON` },
      { name: "GET /datastore/?output=train", value: train.milliseconds, unit: "ms", note: `${(train.body.length / 1e6).toFixed(1)} MB of JSON` },
      { name: "memory of the server, idle", value: idle.own, unit: "MB", target: most(400), note: "resident, 2 s after the start" },
      { name: "memory of the server, at most", value: busy.own, unit: "MB", target: most(400), note: "resident, after all of the above" },
      { name: "memory with the engine, idle", value: idle.total, unit: "MB", target: most(400), note: "server, launcher and engine" },
    ];
  } finally {
    await server.close();
  }
}

/** What a user would do without us: copy, and be sure that it is on the disk. */
async function copyTime(from: string, to: string): Promise<number> {
  const start = performance.now();
  await promisify(execFile)("cp", [from, to]);
  const file = await open(to, "r+");
  await file.sync();
  await file.close();
  const seconds = (performance.now() - start) / 1000;
  await rm(to);
  return seconds;
}

/**
 * The form of a file over a bare socket, a few large pieces of it in memory: `cp` has no client, so this one may cost little. (`curl -F` takes
 * a third longer than this where nothing is done with what it sends, `http.request` two thirds.)
 */
async function upload(url: URL, path: string, size: number): Promise<number> {
  const boundary = "----------lImIt_of_THE_fIle_eW_$";
  const head = Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="/home/jane/big.nii"\r\nContent-Type: application/octet-stream\r\n\r\n`);
  const tail = Buffer.from(`\r\n--${boundary}--\r\n\r\n`);
  const from = performance.now();
  const file = await open(path);
  const socket = connect({ port: Number(url.port), host: url.hostname, noDelay: true });
  try {
    await once(socket, "connect");
    const answer = once(socket, "data") as Promise<[Buffer]>;
    socket.write(`PUT ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\nContent-Type: multipart/form-data; boundary=${boundary}\r\nContent-Length: ${head.length + size + tail.length}\r\n\r\n`);
    socket.write(head);
    let sent: Promise<void> = Promise.resolve();
    let [piece, other] = [Buffer.allocUnsafe(1 << 20), Buffer.allocUnsafe(1 << 20)];
    for (let at = 0; at < size; ) {
      const { bytesRead } = await file.read(piece, 0, piece.length, at);
      await sent;
      const part = piece.subarray(0, bytesRead);
      sent = new Promise((resolve, reject) => socket.write(part, (error) => (error ? reject(error) : resolve())));
      at += bytesRead;
      [piece, other] = [other, piece];
    }
    await sent;
    socket.write(tail);
    const [status] = (await answer).toString().split("\r\n", 1);
    if (!status.includes(" 200 ")) throw new Error(`the upload answered ${status}`);
  } finally {
    socket.destroy();
    await file.close();
  }
  return (performance.now() - from) / 1000;
}

async function bigUpload(megabytes: number, folder: string): Promise<Figure[]> {
  const source = join(folder, "big.nii");
  const studies = join(folder, "studies");
  await mkdir(studies);
  const slices = Math.round(megabytes * 1e6 / 2 / 512 / 512);
  const voxels = new Int16Array(512 * 512 * slices);
  const noise = new Int16Array(randomBytes(2 << 20).buffer);
  for (let at = 0; at < voxels.length; at += noise.length) voxels.set(noise.subarray(0, Math.min(noise.length, voxels.length - at)), at);
  await writeNifti({ voxels, shape: [512, 512, slices], geometry: { affine }, slope: 1, intercept: 0 }, source, { gzip: false });
  const size = voxels.byteLength + 352;
  const server = await start(studies);
  try {
    await sleep(1000);
    const before = await memoryOf(server.pid);
    const copies: number[] = [];
    const uploads: number[] = [];
    for (let n = 0; n < 7; n++) {
      copies.push(await copyTime(source, join(studies, ".copy")));
      uploads.push(await upload(new URL(`/datastore/?image=big_${n}`, server.url), source, size));
      // As the copy is: a virtual machine that gets memory from its host at the first touch writes five times slower where a file has to take new one.
      await fetch(new URL(`/datastore/?id=big_${n}`, server.url), { method: "DELETE" });
    }
    // The first two warm up.
    copies.splice(0, 2);
    uploads.splice(0, 2);
    const after = await peakMemory(server.pid);
    const ratio = median(uploads) / median(copies);
    return [
      { name: `cp + fsync of ${Math.round(size / 1e6)} MB`, value: median(copies), unit: "s", note: "median of 5" },
      { name: "PUT /datastore/ of the same", value: median(uploads), unit: "s", note: "median of 5, in turn with the copies, after two to warm up; each is deleted, as each copy is" },
      { name: "PUT against cp + fsync", value: ratio, unit: "x", target: { value: 2, kind: "most" }, note: "ratio of the medians" },
      { name: "memory that the uploads add", value: after.own - before.own, unit: "MB", note: "peak resident of the server over idle" },
    ];
  } finally {
    await server.close();
  }
}

export interface DatastoreBenchOptions {
  readonly images?: number;
  readonly megabytes?: number;
}

export async function benchDatastore({ images = 100_000, megabytes = 200 }: DatastoreBenchOptions = {}): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), "limnet-bench-datastore-"));
  try {
    const many = join(folder, "many");
    const big = join(folder, "big");
    await mkdir(many);
    await mkdir(big);
    const figures: Figure[] = [];
    if (images > 0) {
      await makeFolder(many, images);
      figures.push(...await manyImages(images, many));
    }
    if (megabytes > 0) figures.push(...await bigUpload(megabytes, big));
    return figures;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { images: { type: "string" }, megabytes: { type: "string" } } });
  const number = (text: string | undefined) => (text === undefined ? undefined : Number(text));
  printFigures(await benchDatastore({ images: number(values.images), megabytes: number(values.megabytes) }));
}
