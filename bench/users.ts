/** Simulated users: each works on an object of a scan, click by click, as the robot of a viewer would. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { random } from "../src/evaluate/bootstrap.js";
import type { Shape } from "../src/imaging/geometry.js";
import { writeNifti } from "../src/imaging/nifti-write.js";

export const scanShape: Shape = [128, 128, 48];

/** Scans of one size, each with an ellipsoid in noise. */
export async function writeScans(folder: string, count: number): Promise<string[]> {
  const [ni, nj, nk] = scanShape;
  const ids: string[] = [];
  for (let n = 0; n < count; n++) {
    const noise = random(n + 1);
    const voxels = new Int16Array(ni * nj * nk);
    for (let k = 0, at = 0; k < nk; k++) {
      for (let j = 0; j < nj; j++) {
        for (let i = 0; i < ni; i++, at++) {
          const inside = ((i - ni / 2) / 26) ** 2 + ((j - nj / 2) / 22) ** 2 + ((k - nk / 2) / 16) ** 2 < 1;
          voxels[at] = (inside ? 160 : 60) + 24 * (noise() - 0.5);
        }
      }
    }
    const id = `scan_${n + 1}`;
    await writeNifti({ voxels, shape: scanShape, geometry: { affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0] }, slope: 1, intercept: 0 }, join(folder, `${id}.nii.gz`), { gzip: true });
    ids.push(id);
  }
  return ids;
}

export interface Click {
  readonly milliseconds: number;
  readonly status: number;
  /** What went wrong; "" where nothing did. */
  readonly detail: string;
}

export interface UserOptions {
  readonly url: string;
  readonly image: string;
  readonly name: string;
  /** Mean seconds between an answer and the next click, exponentially distributed; 0: none. */
  readonly think: number;
  readonly signal: AbortSignal;
  readonly onClick: (click: Click) => void;
}

const rounds = 3;

/** Clicks until told to stop: three rounds on an object, then the next object. */
export async function user({ url, image, name, think, signal, onClick }: UserOptions): Promise<void> {
  const [ni, nj, nk] = scanShape;
  const chance = random([...name].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 7) >>> 0);
  for (let object = 0; !signal.aborted; object++) {
    const clicks: number[][] = [];
    for (let round = 0; round < rounds && !signal.aborted; round++) {
      await sleep(-Math.log(1 - chance()) * think * 1000, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      clicks.push([ni / 2 + Math.floor(8 * (chance() - 0.5)), nj / 2, nk / 2 + [0, -8, 8][round]]);
      const form = new FormData();
      form.append("params", JSON.stringify({ foreground: clicks, background: [], label: `object ${object}`, client_id: name, result_extension: ".nii.gz" }));
      const start = performance.now();
      const answer = await fetch(`${url}/infer/limnet?image=${image}&output=image`, { method: "POST", body: form }).then(async (reply) => {
        const bytes = Buffer.from(await reply.arrayBuffer());
        return { status: reply.status, detail: reply.ok ? "" : bytes.toString("utf8", 0, 300) };
      }, (error: Error) => ({ status: 0, detail: String(error.cause ?? error) }));
      if (!signal.aborted) onClick({ milliseconds: performance.now() - start, ...answer });
    }
  }
}
