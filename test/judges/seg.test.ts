/**
 * Our DICOM segmentations before independent judges: dciodvfy for the form, pydicom, highdicom and dcmqi for the voxels, on
 * every geometry. One run of seg_judge.py reads them all.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CodeTable, codeTableSchema, codingOf } from "../../src/dicom/seg/codes.js";
import { encodeSeg, type SegOptions } from "../../src/dicom/seg/encode.js";
import type { LabelSource } from "../../src/dicom/seg/modules.js";
import type { Segment } from "../../src/dicom/seg/segments.js";
import { type FakeSeries, fakeSeries } from "../../src/dicom/seg/testing.js";
import { norm } from "../../src/imaging/affine.js";
import { lpsFrame, type Shape } from "../../src/imaging/geometry.js";
import { seeded } from "../fixtures/imaging/make.js";

interface Judged {
  readonly dciodvfy: { readonly errors: string[]; readonly warnings: string[] };
  readonly pydicom: string;
  readonly highdicom: string;
  readonly highdicomVolume: string | null;
  readonly dcmqi: string | null;
  readonly patientName: string;
  readonly labels: string[];
}

const shape: Shape = [19, 13, 7];
const [c, s] = [Math.cos(0.4), Math.sin(0.4)];

/** Steps along i, j and k in LPS millimetres. */
const geometries: Record<string, FakeSeries & { /** A stack that readers may take for a regular volume. */ regular?: boolean }> = {
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

const named: CodeTable = codeTableSchema.parse(JSON.parse(await readFile(join(import.meta.dirname, "../../sample-apps/radiology/app.json"), "utf8")).codes);
const names = ["left kidney", "Tumour", "sonstiges Gewebe"];
const options: SegOptions = { version: "test", time: new Date(2026, 0, 2, 3, 4, 5), reader: "Weiß, Jürgen" };

/** Three objects of random voxels, the last on few slices; `overlapping`: label maps of their own. */
function objects(grid: Shape, overlapping: boolean, seed: number): Segment[] {
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

/** Array [segment, k, j, i] of the objects, as the judges make theirs. */
function digest(segments: readonly Segment[]): string {
  const hash = createHash("sha256");
  for (const { labels, value } of segments) hash.update(Uint8Array.from(labels, (voxel) => (voxel === value ? 1 : 0)));
  return hash.digest("hex");
}

function describeCase(file: string, source: LabelSource, volume: boolean, dcmqi: boolean) {
  const { origin, steps: [u, v, w] } = lpsFrame(source.geometry);
  const unit = (step: readonly [number, number, number]) => step.map((part) => part / norm(step));
  return {
    file, shape: source.shape, segments: names, multiFrame: source.slices[0].multiFrame, volume, dcmqi,
    positions: source.slices.map(({ position }) => [position?.left, position?.posterior, position?.superior]),
    instances: source.slices.map(({ sopInstanceUid }) => sopInstanceUid),
    orientation: [...unit(u), ...unit(v)], pixelSpacing: [norm(v), norm(u)],
    affine: [[u[0], v[0], w[0], origin[0]], [u[1], v[1], w[1], origin[1]], [u[2], v[2], w[2], origin[2]], [0, 0, 0, 1]],
  };
}

const kinds = ["binary", "labelmap", "overlapping"] as const;
const fileOf = (name: string, kind: string) => `${name.replaceAll(" ", "-")}-${kind}.dcm`;

let folder: string;
let judged: Record<string, Judged>;
let snomed: Record<string, string[]>;
const expected = new Map<string, string>();

beforeAll(async () => {
  const python = process.env.LIMNET_JUDGES_PYTHON;
  if (!python) throw new Error("LIMNET_JUDGES_PYTHON is not set: run `npm test`, or set it to a Python with the packages of scripts/judges/requirements.txt.");
  folder = await mkdtemp(join(tmpdir(), "limnet-seg-judges-"));
  const cases: unknown[] = [];
  for (const [at, [name, { regular = true, ...series }]] of Object.entries(geometries).entries()) {
    const source = fakeSeries(series);
    for (const kind of kinds) {
      const file = fileOf(name, kind);
      const segments = objects(source.shape, kind === "overlapping", 100 + at);
      await writeFile(join(folder, file), encodeSeg(source, segments, { ...options, kind: kind === "labelmap" ? "labelmap" : "binary" }));
      expected.set(file, digest(segments));
      cases.push(describeCase(file, source, regular && source.shape[2] > 1, regular && source.shape[2] > 1 && kind !== "labelmap"));
    }
  }
  await writeFile(join(folder, "cases.json"), JSON.stringify(cases));
  await promisify(execFile)(python, [join(import.meta.dirname, "seg_judge.py"), folder], { timeout: 180_000, maxBuffer: 1e8 });
  ({ files: judged, snomed } = JSON.parse(await readFile(join(folder, "judged.json"), "utf8")));
}, 200_000);
afterAll(() => rm(folder ?? "", { recursive: true, force: true }));

describe.each(Object.keys(geometries))("a segmentation of a series that is %s", (name) => {
  it.each(kinds)("passes dciodvfy without an error (%s)", (kind) => {
    const { errors, warnings } = judged[fileOf(name, kind)].dciodvfy;
    expect(errors).toEqual([]);
    expect(warnings.filter((line) => !line.includes("99LIMNET"))).toEqual([]);
  });

  it.each(kinds)("gives pydicom and highdicom the same voxels (%s)", (kind) => {
    const file = fileOf(name, kind);
    const { pydicom, highdicom, highdicomVolume } = judged[file];
    expect(pydicom).toBe(expected.get(file));
    expect(highdicom).toBe(expected.get(file));
    if (highdicomVolume !== null) expect(highdicomVolume).toBe(expected.get(file));
  });

  it.each(["binary", "overlapping"])("gives dcmqi the same voxels (%s)", (kind) => {
    const file = fileOf(name, kind);
    if (judged[file].dcmqi !== null) expect(judged[file].dcmqi).toBe(expected.get(file));
  });
});

describe("the texts of a segmentation", () => {
  it("are read as they were written, umlauts included", () => {
    const { patientName, labels } = judged[fileOf("axial", "binary")];
    expect(patientName).toBe("Muster^Änne");
    expect(labels).toEqual(names);
  });
});

describe("the codes of the radiology app", () => {
  it("are codes that DICOM itself uses for that thing", () => {
    const all = Object.values(named).flatMap(({ type, region }) => [type, ...(region ? [region] : [])]);
    expect(all.length).toBeGreaterThan(50);
    const wrong = all.filter(({ scheme, value, meaning }) => scheme !== "SCT" || !snomed[value]?.includes(meaning.toLowerCase()));
    expect(wrong).toEqual([]);
  });
});
