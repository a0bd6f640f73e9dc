/**
 * Our DICOM segmentations before independent judges: dciodvfy for the form, pydicom, highdicom and dcmqi for the voxels, on
 * every geometry. One run of seg_judge.py reads them all.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeSeg, type SegOptions } from "../../src/dicom/seg/encode.js";
import { fakeSeries } from "../../src/dicom/seg/testing.js";
import { describeCase, digest, geometries, judgesPython, named, names, objects } from "./labels.js";

interface Judged {
  readonly dciodvfy: { readonly errors: string[]; readonly warnings: string[] };
  readonly pydicom: string;
  readonly highdicom: string;
  readonly highdicomVolume: string | null;
  readonly dcmqi: string | null;
  readonly patientName: string;
  readonly labels: string[];
}

const options: SegOptions = { version: "test", time: new Date(2026, 0, 2, 3, 4, 5), reader: "Weiß, Jürgen" };

const kinds = ["binary", "labelmap", "overlapping"] as const;
const fileOf = (name: string, kind: string) => `${name.replaceAll(" ", "-")}-${kind}.dcm`;

let folder: string;
let judged: Record<string, Judged>;
let snomed: Record<string, string[]>;
const expected = new Map<string, string>();

beforeAll(async () => {
  const python = judgesPython();
  folder = await mkdtemp(join(tmpdir(), "limnet-seg-judges-"));
  const cases: unknown[] = [];
  for (const [at, [name, { regular = true, ...series }]] of Object.entries(geometries).entries()) {
    const source = fakeSeries(series);
    for (const kind of kinds) {
      const file = fileOf(name, kind);
      const segments = objects(source.shape, kind === "overlapping", 100 + at);
      await writeFile(join(folder, file), encodeSeg(source, segments, { ...options, kind: kind === "labelmap" ? "labelmap" : "binary" }));
      expected.set(file, digest(segments));
      const volume = regular && source.shape[2] > 1;
      cases.push({ ...describeCase(file, source, segments), volume, dcmqi: volume && kind !== "labelmap" });
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
