/** The random walker of scikit-image, in a Python of its own, from the prompts that LIM-Net has got. */
import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { pixelToVoxel, readSlice, writeSlice } from "../../imaging/slices.js";
import { CaseError } from "../cases.js";
import type { PlacedClick } from "../interact.js";
import type { Task } from "../protocol.js";

const run = promisify(execFile);

/** Values of the seeds, as `skimage.segmentation.random_walker` has them; 0 is for it to decide. */
const [object, background] = [1, 2];
const diskRadius = 2;

/** All that the user gave so far: clicks, or slices outlined without error. */
export interface Prompts {
  readonly clicks: readonly PlacedClick[];
  readonly drawn: readonly number[];
}

/** Seeds on the grid of the image: a disk of radius 2 for every click, every pixel of an outlined slice, and the outermost voxels of the scan. */
export function seedsOf({ shape, axis, truth }: Task, { clicks, drawn }: Prompts): Uint8Array {
  const [ni, nj, nk] = shape;
  const seeds = new Uint8Array(truth.length);
  for (let k = 0, n = 0; k < nk; k++) {
    for (let j = 0; j < nj; j++) {
      for (let i = 0; i < ni; i++, n++) {
        // The border of the slices is surely not the object; their ends may be, where a scan ends in it.
        const edge = [[i, ni], [j, nj], [k, nk]].some(([at, size], a) => a !== axis && (at === 0 || at === size - 1));
        if (edge) seeds[n] = background;
      }
    }
  }
  for (const slice of drawn) writeSlice(seeds, shape, axis, slice, readSlice(truth, shape, axis, slice).map((v) => (v ? object : background)));
  for (const { slice, row, col, positive } of clicks) {
    for (let r = -diskRadius; r <= diskRadius; r++) {
      for (let c = -diskRadius; c <= diskRadius; c++) {
        if (r * r + c * c > diskRadius * diskRadius) continue;
        const [i, j, k] = pixelToVoxel(slice, { row: row + r, col: col + c }, axis);
        if (i < 0 || j < 0 || k < 0 || i >= ni || j >= nj || k >= nk) continue;
        seeds[i + ni * (j + nj * k)] = positive ? object : background;
      }
    }
  }
  return seeds;
}

const needs = "It needs --python with the path of a Python that has numpy and scikit-image";

/** Before any work: whether that Python can do it. Throws CaseError. */
export async function checkPython(python: string): Promise<void> {
  await run(python, ["-c", "import numpy, skimage.segmentation"], { timeout: 120_000 }).catch((cause: unknown) => {
    const { stderr = "", message } = cause as Error & { stderr?: string };
    throw new CaseError(`The random walker cannot work: ${stderr.trim().split("\n").at(-1) || message.split("\n")[0]}. ${needs}.`, { cause });
  });
}

/**
 * Runs it on the grey values that LIM-Net sees. `python` holds numpy and scikit-image; `folder` is made and removed.
 * Throws CaseError where that Python cannot do it.
 */
export async function randomWalker(
  python: string, grey: Uint8Array, task: Task, prompts: Prompts, spacing: readonly number[], folder: string,
): Promise<Uint8Array> {
  await mkdir(folder, { recursive: true });
  try {
    await writeFile(join(folder, "grey.raw"), grey);
    await writeFile(join(folder, "seeds.raw"), seedsOf(task, prompts));
    // Slowest axis first, as numpy lays out what has i fastest.
    await writeFile(join(folder, "grid.json"), JSON.stringify({ shape: [...task.shape].reverse(), spacing: [...spacing].reverse() }));
    await run(python, ["-c", program, folder], { timeout: 600_000, killSignal: "SIGKILL", maxBuffer: 1 << 22 });
    return new Uint8Array(await readFile(join(folder, "mask.raw")));
  } catch (cause) {
    const { stderr = "" } = cause as { stderr?: string };
    const why = stderr.trim().split("\n").at(-1) || (cause as Error).message.split("\n")[0];
    throw new CaseError(`The random walker did not work: ${why}. ${needs}.`, { cause });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** scikit-image's own defaults but for the solver, which is its fastest without further packages. */
const program = `
import json, sys, warnings
from pathlib import Path
import numpy as np
from skimage.segmentation import random_walker
folder = Path(sys.argv[1])
grid = json.loads((folder / "grid.json").read_text())
read = lambda name: np.fromfile(folder / name, np.uint8).reshape(grid["shape"])
grey, seeds = read("grey.raw"), read("seeds.raw")
warnings.simplefilter("ignore")
labels = random_walker(grey / 255.0, seeds, beta=130, mode="cg_j", tol=1e-3, spacing=grid["spacing"]) if (seeds == 1).any() else np.zeros_like(seeds)
(labels == 1).astype(np.uint8).tofile(folder / "mask.raw")
`;
