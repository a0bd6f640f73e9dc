/** A DICOM segmentation of ten segments on a CT of 200 slices: time and memory of writing it. */
import { spawnSync } from "node:child_process";
import { rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { codingOf } from "../src/dicom/seg/codes.js";
import { encodeSeg } from "../src/dicom/seg/encode.js";
import { fakeSeries } from "../src/dicom/seg/testing.js";
import { type Figure, median } from "./statistics.js";

const shape = [512, 512, 200] as const;
const count = 10;

/** Ten ellipsoids side by side that reach through all slices but the outermost: every segment has nearly 200 frames. */
function labels(): Uint8Array {
  const [nx, ny, nz] = shape;
  const out = new Uint8Array(nx * ny * nz);
  for (let segment = 0; segment < count; segment++) {
    const [ci, cj] = [50 + 100 * (segment % 5), 150 + 210 * Math.floor(segment / 5)];
    for (let k = 0; k < nz; k++) {
      const scale = 1 - ((k - nz / 2) / (nz / 2)) ** 2;
      for (let j = cj - 95; j < cj + 95; j++) {
        for (let i = ci - 48; i < ci + 48; i++) {
          if (((i - ci) / 48) ** 2 + ((j - cj) / 95) ** 2 < scale) out[i + nx * (j + ny * k)] = segment + 1;
        }
      }
    }
  }
  return out;
}

/** What is measured, in a process of its own: the highest memory would else be that of what ran before. */
async function measure(): Promise<{ seconds: number[]; rssMb: number; before: number; bytes: number }> {
  const source = fakeSeries({ shape });
  const map = labels();
  const segments = Array.from({ length: count }, (_, at) => ({
    name: `organ ${at + 1}`, coding: codingOf(`organ ${at + 1}`, {}), algorithm: "SEMIAUTOMATIC" as const, labels: map, value: at + 1,
  }));
  const path = join(tmpdir(), `limnet-bench-seg-${process.pid}.dcm`);
  const before = process.resourceUsage().maxRSS / 1024;
  const seconds: number[] = [];
  for (let n = 0; n < 5; n++) {
    const start = performance.now();
    await writeFile(path, encodeSeg(source, segments, { version: "bench", time: new Date(0) }));
    seconds.push((performance.now() - start) / 1000);
  }
  const { size } = await stat(path);
  await rm(path);
  return { seconds, rssMb: process.resourceUsage().maxRSS / 1024, before, bytes: size };
}

export function benchSeg(): Figure[] {
  const run = spawnSync(process.execPath, ["--import", "tsx", fileURLToPath(import.meta.url), "measure"], { encoding: "utf8" });
  if (run.status !== 0) throw new Error(`the segmentation could not be timed: ${run.stderr}`);
  const { seconds, rssMb, before, bytes } = JSON.parse(run.stdout) as Awaited<ReturnType<typeof measure>>;
  const how = `${count} segments, ${shape.join(" x ")}, ${Math.round(bytes / 1e6)} MB file, written to disk`;
  return [
    { name: "DICOM SEG, first", value: seconds[0], unit: "s", target: { kind: "most", value: 2 }, note: how },
    { name: "DICOM SEG, median of 5", value: median(seconds), unit: "s", target: { kind: "most", value: 2 }, note: how },
    { name: "DICOM SEG, memory of the process", value: rssMb, unit: "MB", target: { kind: "most", value: 500 }, note: `highest of 5 writes; ${Math.round(before)} MB before them, 52 MB of it the label map` },
  ];
}

if (process.argv[2] === "measure") console.log(JSON.stringify(await measure()));
