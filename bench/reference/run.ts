/** `npm run bench:reference`: limnet beside the reference server (PyPI monailabel), same machine, same run. Prints; asserts nothing. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startServerProcess } from "../../src/demo/server-process.js";
import { random } from "../../src/evaluate/bootstrap.js";
import { writeNifti } from "../../src/imaging/nifti-write.js";
import { memoryOf } from "../memory.js";
import { median, quantile } from "../statistics.js";
import { freePort } from "../../test/free-port.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const python = process.env.LIMNET_REFERENCE_PYTHON;
if (!python) {
  console.error("LIMNET_REFERENCE_PYTHON is not set: bench/reference/README.md says how to make such a Python.");
  process.exit(1);
}
const starts = 3;
const calls = 5;
/** How long the stand-in of a network takes while /info/ is asked. */
const busySeconds = 2;

interface Peer {
  readonly name: string;
  start(studies: string): Promise<{ url: string; pid: number; close(): Promise<void> }>;
  /** One request for a mask of the scan; `seconds` of work in it where the peer can be told. Milliseconds without the networks. */
  infer(url: string, n: number, seconds: number): Promise<number>;
}

async function ready(url: string, child: ChildProcess): Promise<void> {
  for (const until = performance.now() + 180_000; performance.now() < until; await sleep(20)) {
    if (child.exitCode !== null) throw new Error(`The reference server ended with ${child.exitCode}.`);
    const answer = await fetch(`${url}/info/`).catch(() => null);
    await answer?.arrayBuffer();
    if (answer?.status === 200) return;
  }
  throw new Error("The reference server was not ready within three minutes.");
}

async function post(url: string, params: object): Promise<Buffer> {
  const form = new FormData();
  form.append("params", JSON.stringify(params));
  const answer = await fetch(url, { method: "POST", body: form });
  const body = Buffer.from(await answer.arrayBuffer());
  if (answer.status !== 200) throw new Error(`${url} answered ${answer.status}: ${body.toString("utf8", 0, 300)}`);
  return body;
}

const reference: Peer = {
  name: "monailabel 0.8.5",
  async start(studies) {
    const port = await freePort();
    const app = join(root, "bench", "reference", "app");
    const child = spawn(python, ["-m", "monailabel.main", "start_server", "--app", app, "--studies", studies, "--host", "127.0.0.1", "--port", String(port)], { stdio: "ignore" });
    const url = `http://127.0.0.1:${port}`;
    const close = async () => {
      if (child.exitCode !== null) return;
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    };
    try {
      await ready(url, child);
    } catch (error) {
      await close();
      throw error;
    }
    return { url, pid: child.pid!, close };
  },
  async infer(url, _n, seconds) {
    const from = performance.now();
    await post(`${url}/infer/threshold?image=scan`, { seconds, result_extension: ".nrrd", result_dtype: "uint8", device: "cpu" });
    return performance.now() - from - 1000 * seconds;
  },
};

const limnet: Peer = {
  name: "limnet",
  start: (studies) => startServerProcess(["--app", join(root, "sample-apps", "radiology"), "--studies", studies, "--port", "0", "--verbose", "ERROR"]),
  async infer(url, n) {
    const from = performance.now();
    const params = { foreground: [[256, 256, 50]], background: [], label: `object ${n}`, result_extension: ".nrrd", result_dtype: "uint8" };
    const body = await post(`${url}/infer/limnet?image=scan`, params);
    const json = JSON.parse(body.toString("utf8", body.indexOf("\r\n\r\n") + 4, body.indexOf("\r\n--", 4))) as { limnet: { rounds: { run: boolean; seconds: number }[] } };
    return performance.now() - from - 1000 * json.limnet.rounds.filter(({ run }) => run).reduce((sum, { seconds }) => sum + seconds, 0);
  },
};

interface Measured {
  ready: number;
  idle: number;
  info: number;
  infer: number;
}

async function measure(peer: Peer, studies: string): Promise<Measured> {
  const times: number[] = [];
  for (let n = 0; n < starts; n++) {
    const from = performance.now();
    const server = await peer.start(studies);
    await (await fetch(`${server.url}/info/`)).arrayBuffer();
    times.push((performance.now() - from) / 1000);
    await server.close();
  }
  const server = await peer.start(studies);
  try {
    await sleep(2000);
    const { total: idle } = await memoryOf(server.pid);
    await peer.infer(server.url, -1, 0); // reads the scan for the first time
    const infers: number[] = [];
    for (let n = 0; n < calls; n++) infers.push(await peer.infer(server.url, n, 0));
    let busy = true;
    const work = peer.infer(server.url, calls, busySeconds).finally(() => {
      busy = false;
    });
    const infos: number[] = [];
    while (busy) {
      const from = performance.now();
      await (await fetch(`${server.url}/info/`)).arrayBuffer();
      infos.push(performance.now() - from);
      await sleep(5);
    }
    await work;
    return { ready: median(times), idle, info: quantile(infos, 0.99), infer: median(infers) };
  } finally {
    await server.close();
  }
}

/** 512 x 512 x 100 voxels of noise with a bright ball, int16 as CT has it. */
async function writeScan(folder: string): Promise<void> {
  const noise = random(3);
  const voxels = new Int16Array(512 * 512 * 100);
  for (let k = 0, n = 0; k < 100; k++) {
    for (let j = 0; j < 512; j++) for (let i = 0; i < 512; i++, n++) voxels[n] = (Math.hypot(i - 256, j - 256, 3 * (k - 50)) < 60 ? 170 : 60) + 24 * (noise() - 0.5);
  }
  const affine = [0.8, 0, 0, 0, 0, 0.8, 0, 0, 0, 0, 2.5, 0] as const;
  await writeNifti({ voxels, shape: [512, 512, 100], geometry: { affine }, slope: 1, intercept: 0 }, join(folder, "scan.nii.gz"), { gzip: true });
}

const studies: string[] = [];
try {
  const results: Measured[] = [];
  for (const peer of [reference, limnet]) {
    const folder = await mkdtemp(join(tmpdir(), "limnet-bench-reference-"));
    studies.push(folder);
    await writeScan(folder);
    results.push(await measure(peer, folder));
  }
  const [theirs, ours] = results;
  const line = (name: string, unit: string, key: keyof Measured, digits: number, target: string) => {
    const ratio = theirs[key] / ours[key];
    console.log(`${name.padEnd(44)} ${theirs[key].toFixed(digits).padStart(9)} ${ours[key].toFixed(digits).padStart(9)} ${unit.padEnd(3)} ${ratio.toFixed(1).padStart(6)} x   ${target}`);
  };
  console.log(`${"".padEnd(44)} ${"reference".padStart(9)} ${"limnet".padStart(9)}`);
  line("start to ready", "s", "ready", 2, "to reach: 4 x sooner");
  line("memory when idle", "MB", "idle", 0, "to reach: half");
  line("GET /info/ during an inference, p99", "ms", "info", 1, "to reach: under 50 ms");
  line("/infer of 512 x 512 x 100, without networks", "ms", "infer", 0, "to reach: a third");
} finally {
  for (const folder of studies) await rm(folder, { recursive: true, force: true });
}
