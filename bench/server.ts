/** The server as a user runs it: start, memory, and whether it answers while the engine works. */
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type ServerProcess, startServerProcess } from "../src/demo/server-process.js";
import { memoryOf } from "./memory.js";
import { type Figure, median, quantile } from "./statistics.js";
import { centre } from "./synthetic.js";

const starts = 5;
const app = fileURLToPath(new URL("../sample-apps/radiology", import.meta.url));

const start = (studies: string) => startServerProcess(["--app", app, "--studies", studies, "--port", "0", "--verbose", "ERROR"]);

/** Spawn to the first 200 of /info/. */
async function startTime(studies: string): Promise<number> {
  const from = performance.now();
  const server = await start(studies);
  try {
    const answer = await fetch(`${server.url}/info/`);
    await answer.arrayBuffer();
    if (answer.status !== 200) throw new Error(`/info/ answered ${answer.status}`);
    return (performance.now() - from) / 1000;
  } finally {
    await server.close();
  }
}

/** Asks for /info/ again and again until all `work` is done. Milliseconds per answer. */
async function infoWhile(url: string, work: Promise<unknown>): Promise<number[]> {
  let busy = true;
  const done = work.finally(() => {
    busy = false;
  });
  const times: number[] = [];
  while (busy) {
    const from = performance.now();
    await (await fetch(`${url}/info/`)).arrayBuffer();
    times.push(performance.now() - from);
    await sleep(5);
  }
  await done;
  return times;
}

async function click(url: string, image: string, slices: readonly number[]): Promise<void> {
  const foreground = slices.map((k) => [centre.i, centre.j, k]);
  const form = new FormData();
  form.append("params", JSON.stringify({ foreground, background: [], label: "bench", result_extension: ".nii.gz" }));
  const answer = await fetch(`${url}/infer/limnet?image=${image}&output=all`, { method: "POST", body: form });
  const body = await answer.text();
  if (answer.status !== 200) throw new Error(`/infer/limnet answered ${answer.status}: ${body.slice(0, 300)}`);
}

async function answering(server: ServerProcess, image: string): Promise<Figure[]> {
  const times: number[] = [];
  for (const slices of [[50], [50, 30], [50, 30, 70]]) times.push(...await infoWhile(server.url, click(server.url, image, slices)));
  const note = `${times.length} requests while clicks propagate through 100 slices`;
  return [
    { name: "GET /info/ while busy, p50", value: quantile(times, 0.5), unit: "ms", note },
    { name: "GET /info/ while busy, p99", value: quantile(times, 0.99), unit: "ms", target: { value: 50, kind: "most" }, note },
  ];
}

export async function benchServer(studies: string, image: string): Promise<Figure[]> {
  const times: number[] = [];
  for (let n = 0; n < starts; n++) times.push(await startTime(studies));
  const server = await start(studies);
  try {
    await (await fetch(`${server.url}/info/`)).arrayBuffer();
    await sleep(2000);
    const { total: idle } = await memoryOf(server.pid);
    const busy = await answering(server, image);
    const { total: used } = await memoryOf(server.pid);
    return [
      { name: "start to ready", value: median(times), unit: "s", target: { value: 3, kind: "most" }, note: `spawn to the first 200 of /info/, median of ${starts}` },
      ...busy,
      { name: "memory when idle", value: idle, unit: "MB", target: { value: 300, kind: "most" }, note: "resident, server and engine together, 2 s after the start" },
      { name: "memory after work", value: used, unit: "MB", note: "resident, after three rounds on 256 x 256 x 100 voxels" },
    ];
  } finally {
    await server.close();
  }
}
