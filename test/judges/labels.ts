/** Series of every geometry and labels of random voxels, for the judges of SEG and RTSTRUCT. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type CodeTable, codeTableSchema, codingOf } from "../../src/dicom/seg/codes.js";
import type { LabelSource } from "../../src/dicom/seg/modules.js";
import type { Segment } from "../../src/dicom/seg/segments.js";
import type { FakeSeries } from "../../src/dicom/seg/testing.js";
import { norm } from "../../src/imaging/affine.js";
import { lpsFrame, type Shape } from "../../src/imaging/geometry.js";
import { seeded } from "../fixtures/imaging/make.js";

const shape: Shape = [19, 13, 7];
const [c, s] = [Math.cos(0.4), Math.sin(0.4)];

/** Steps along i, j and k in LPS millimetres. */
export const geometries: Record<string, FakeSeries & { /** A stack that readers may take for a regular volume. */ regular?: boolean }> = {
  axial: { shape },
  "feet first": { shape, steps: [[-0.8, 0, 0], [0, 0.8, 0], [0, 0, -2.5]] },
  "reversed rows": { shape, steps: [[0.8, 0, 0], [0, -0.8, 0], [0, 0, -2.5]] },
  coronal: { shape, steps: [[0.7, 0, 0], [0, 0, -0.9], [0, 3, 0]] },
  sagittal: { shape, steps: [[0, 0.7, 0], [0, 0, -0.9], [-3, 0, 0]] },
  oblique: { shape, steps: [[0.7 * c, 0.7 * s, 0], [-0.7 * s * c, 0.7 * c * c, -0.7 * s], [-3 * s * s, 3 * s * c, 3 * c]], origin: [-81.23456789012, 17.1234567890123, 3.3333333333] },
  "gantry tilt": { shape, steps: [[0.8, 0, 0], [0, 0.8 * c, -0.8 * s], [0, 0, 2.5]], regular: false },
  "single slice": { shape: [19, 13, 1] },
  "multi-frame": { shape, multiFrame: true },
  "pixels that are not square": { shape, steps: [[0.5, 0, 0], [0, 1.25, 0], [0, 0, 4]] },
};

export const named: CodeTable = codeTableSchema.parse(JSON.parse(await readFile(join(import.meta.dirname, "../../sample-apps/radiology/app.json"), "utf8")).codes);
export const names = ["left kidney", "Tumour", "sonstiges Gewebe"];

/** Three objects of random voxels, the last on few slices; `overlapping`: label maps of their own. */
export function objects(grid: Shape, overlapping: boolean, seed: number): Segment[] {
  const random = seeded(seed);
  const size = grid[0] * grid[1] * grid[2];
  const map = Uint8Array.from({ length: size }, (_, at) => (at < size / 2 ? Math.floor(4 * random()) : Math.floor(3 * random())));
  return names.map((name, at) => {
    const labels = overlapping ? Uint8Array.from({ length: size }, () => (random() < 0.3 ? 1 : 0)) : map;
    return {
      name, coding: codingOf(name, named), algorithm: at === 2 ? "MANUAL" : "SEMIAUTOMATIC", model: { name: "LIM-Net", digest: "0f".repeat(32) },
      description: "für den Test", labels, value: overlapping ? 1 : at + 1,
    };
  });
}

/** sha256 of the array [segment, k, j, i] of the objects, as the judges make theirs. */
export function digest(segments: readonly Segment[]): string {
  const hash = createHash("sha256");
  for (const { labels, value } of segments) hash.update(Uint8Array.from(labels, (voxel) => (voxel === value ? 1 : 0)));
  return hash.digest("hex");
}

/** What a judge has to know of the source to put what it reads onto the grid. */
export function describeCase(file: string, source: LabelSource, segments: readonly Segment[]) {
  const { origin, steps: [u, v, w] } = lpsFrame(source.geometry);
  const unit = (step: readonly [number, number, number]) => step.map((part) => part / norm(step));
  return {
    file, shape: source.shape, segments: segments.map(({ name }) => name), multiFrame: source.slices[0].multiFrame,
    // Images without a place lie on the grid.
    positions: source.slices.map(({ position }, k) => (position ? [position.left, position.posterior, position.superior] : origin.map((at, axis) => at + k * w[axis]))),
    instances: source.slices.map(({ sopInstanceUid }) => sopInstanceUid), frames: source.slices.map(({ frame }) => frame),
    orientation: [...unit(u), ...unit(v)], pixelSpacing: [norm(v), norm(u)],
    affine: [[u[0], v[0], w[0], origin[0]], [u[1], v[1], w[1], origin[1]], [u[2], v[2], w[2], origin[2]], [0, 0, 0, 1]],
  };
}

/** The Python of the judges. */
export function judgesPython(): string {
  const python = process.env.LIMNET_JUDGES_PYTHON;
  if (!python) throw new Error("LIMNET_JUDGES_PYTHON is not set: run `npm test`, or set it to a Python with the packages of scripts/judges/requirements.txt.");
  return python;
}
