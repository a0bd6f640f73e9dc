/** Undo and redo as a client waits for them, and how long a session takes to be back after the server was killed. Alone: `node --import tsx bench/journal.ts`. */
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { holdName } from "../src/datastore/hold.js";
import { startServerProcess } from "../src/demo/server-process.js";
import { type Figure, printFigures, quantile } from "./statistics.js";
import { centre, writeScan } from "./synthetic.js";

const app = fileURLToPath(new URL("../sample-apps/radiology", import.meta.url));
const moves = 20;
const restarts = 3;
const label = "journal";

async function post(url: string, body: FormData | null): Promise<Buffer> {
  const answer = await fetch(url, { method: "POST", ...(body && { body }) });
  const bytes = Buffer.from(await answer.arrayBuffer());
  if (answer.status !== 200) throw new Error(`${url} answered ${answer.status}: ${bytes.toString("utf8", 0, 300)}`);
  return bytes;
}

function clicks(slices: readonly number[]): FormData {
  const form = new FormData();
  form.append("params", JSON.stringify({ foreground: slices.map((k) => [centre.i, centre.j, k]), label, result_extension: ".nrrd" }));
  return form;
}

/** `studies` holds the scan `image`. Real rounds first: three slices of the ellipsoid. */
export async function benchJournal(studies: string, image: string): Promise<Figure[]> {
  const start = () => startServerProcess(["--app", app, "--studies", studies, "--port", "0", "--verbose", "ERROR"]);
  const slices = [50, 40, 60];
  const times = { undo: [] as number[], redo: [] as number[] };
  const back: number[] = [];
  let server = await start();
  try {
    const infer = () => post(`${server.url}/infer/limnet?image=${image}&output=image`, clicks(slices));
    const mask = createHash("sha256").update(await infer()).digest("hex");
    const move = async (route: "undo" | "redo") => {
      const from = performance.now();
      await post(`${server.url}/limnet/v1/${route}?image=${image}&label=${label}&output=image&result_extension=.nrrd`, null);
      times[route].push(performance.now() - from);
    };
    for (let n = 0; n < moves; n++) {
      await move("undo");
      await move("redo");
    }
    for (let n = 0; n < restarts; n++) {
      const { pid } = JSON.parse(await readFile(join(studies, ".limnet", holdName), "utf8")) as { pid: number };
      process.kill(pid, "SIGKILL");
      await server.close();
      server = await start();
      const ready = performance.now();
      const again = createHash("sha256").update(await infer()).digest("hex");
      back.push(performance.now() - ready);
      if (again !== mask) throw new Error("The mask after the restart is another one.");
    }
  } finally {
    await server.close();
  }
  const note = `256 x 256 x 100 voxels, the whole mask as raw NRRD, over HTTP, ${moves} times`;
  const figure = (name: string, values: readonly number[], share: number): Figure =>
    ({ name, value: quantile(values, share), unit: "ms", target: { value: 50, kind: "most" }, note });
  return [
    figure("undo, p50", times.undo, 0.5), figure("undo, p95", times.undo, 0.95),
    figure("redo, p50", times.redo, 0.5), figure("redo, p95", times.redo, 0.95),
    { name: "the same mask after kill -9 and restart", value: Math.max(...back) / 1000, unit: "s", target: { value: 2, kind: "most" }, note: `from ready to the mask of three rounds, compared byte for byte, the slowest of ${restarts}` },
  ];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = await mkdtemp(join(tmpdir(), "limnet-bench-journal-"));
  try {
    await writeScan(folder, "bench");
    printFigures(await benchJournal(folder, "bench"));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
