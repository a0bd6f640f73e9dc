/** `node --import tsx bench/large.ts [--size 512x512x600] [--memory 3GB]`: the most memory that a large scan takes, server and engine together (the sum of their peaks). */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startServerProcess } from "../src/demo/server-process.js";
import { random } from "../src/evaluate/bootstrap.js";
import type { Shape } from "../src/imaging/geometry.js";
import { writeNifti } from "../src/imaging/nifti-write.js";
import { memoryOf, peakMemory } from "./memory.js";

const { values } = parseArgs({ options: { size: { type: "string", default: "512x512x600" }, memory: { type: "string" }, rounds: { type: "string", default: "2" } } });
const shape = values.size.split("x").map(Number) as unknown as Shape;
const [ni, nj, nk] = shape;
const megabytes = (value: number) => `${Math.round(value)} MB`;

/** CT numbers: air, tissue with noise, and a long organ through two thirds of the slices. */
function voxels(): Int16Array {
  const noise = random(5);
  const table = Int16Array.from({ length: 4096 }, () => 40 * (noise() - 0.5));
  const out = new Int16Array(ni * nj * nk);
  for (let k = 0, n = 0; k < nk; k++) {
    for (let j = 0; j < nj; j++) {
      for (let i = 0; i < ni; i++, n++) {
        const body = ((i - ni / 2) / (ni * 0.45)) ** 2 + ((j - nj / 2) / (nj * 0.35)) ** 2 < 1;
        const organ = ((i - ni / 2) / 60) ** 2 + ((j - nj / 2) / 50) ** 2 + ((k - nk / 2) / (nk / 3)) ** 2 < 1;
        out[n] = (organ ? 180 : body ? 30 : -1000) + table[(n * 2654435761) % 4096];
      }
    }
  }
  return out;
}

const folder = await mkdtemp(join(tmpdir(), "limnet-memory-"));
try {
  const affine = [0.8, 0, 0, 0, 0, 0.8, 0, 0, 0, 0, 1, 0] as const;
  await writeNifti({ voxels: voxels(), shape, geometry: { affine }, slope: 1, intercept: 0 }, join(folder, "large.nii.gz"), { gzip: true });
  const app = fileURLToPath(new URL("../sample-apps/radiology", import.meta.url));
  const server = await startServerProcess(["--app", app, "--studies", folder, "--port", "0", "--verbose", "ERROR", ...(values.memory ? ["--memory", values.memory] : [])]);
  try {
    console.log(`${values.size} voxels; idle ${megabytes((await memoryOf(server.pid)).total)}`);
    const clicks: number[][] = [];
    for (let round = 0; round < Number(values.rounds); round++) {
      clicks.push([ni >> 1, nj >> 1, (nk >> 1) + (round % 2 === 0 ? 1 : -1) * round * (nk >> 3)]);
      const start = performance.now();
      const form = new FormData();
      form.append("params", JSON.stringify({ foreground: clicks, background: [], label: "organ", result_extension: ".nii.gz" }));
      const answer = await fetch(`${server.url}/infer/limnet?image=large&output=image`, { method: "POST", body: form });
      const body = await answer.arrayBuffer();
      const text = answer.status === 200 ? megabytes(body.byteLength / 1e6) : Buffer.from(body).toString("utf8");
      console.log(`round ${round + 1}: ${answer.status} (${text}) in ${((performance.now() - start) / 1000).toFixed(1)} s, most so far ${megabytes((await peakMemory(server.pid)).total)}, now ${megabytes((await memoryOf(server.pid)).total)}`);
    }
  } finally {
    await server.close();
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
