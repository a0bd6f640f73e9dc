/** Our RT structure sets before independent judges: dciodvfy for the form, pydicom and numpy for what lies inside the contours. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeRtstruct } from "../../src/dicom/rtstruct/encode.js";
import type { Making } from "../../src/dicom/seg/modules.js";
import type { Segment } from "../../src/dicom/seg/segments.js";
import { fakeSeries } from "../../src/dicom/seg/testing.js";
import { describeCase, digest, geometries, judgesPython, names, objects } from "./labels.js";

interface Judged {
  readonly errors: string[];
  readonly warnings: string[];
  readonly voxels: string;
  readonly names: string[];
  readonly algorithms: string[];
  readonly longest: number;
}

const making: Making = { version: "test", time: new Date(2026, 0, 2, 3, 4, 5), reader: "Weiß, Jürgen" };
let folder: string;
let judged: Record<string, Judged>;
const expected = new Map<string, string>();

/** A sieve: one contour with more points than an explicit decimal string could hold. */
function sieve(): { source: ReturnType<typeof fakeSeries>; segments: Segment[] } {
  const [segment] = objects([121, 121, 1], false, 1);
  const labels = Uint8Array.from({ length: 121 * 121 }, (_, at) => (at % 121 % 2 === 1 && Math.floor(at / 121) % 2 === 1 ? 0 : 1));
  return { source: fakeSeries({ shape: [121, 121, 1] }), segments: [{ ...segment, labels }] };
}

beforeAll(async () => {
  const python = judgesPython();
  folder = await mkdtemp(join(tmpdir(), "limnet-rtstruct-judges-"));
  const made = Object.entries(geometries).map(([name, series], at) => {
    const source = fakeSeries(series);
    return { name, source, segments: objects(source.shape, at % 2 === 1, 200 + at) };
  });
  const cases: unknown[] = [];
  for (const { name, source, segments } of [...made, { name: "sieve", ...sieve() }]) {
    await writeFile(join(folder, name), encodeRtstruct(source, segments, making));
    expected.set(name, digest(segments));
    cases.push(describeCase(name, source, segments));
  }
  await writeFile(join(folder, "cases.json"), JSON.stringify(cases));
  await promisify(execFile)(python, [join(import.meta.dirname, "rtstruct_judge.py"), folder], { timeout: 120_000, maxBuffer: 1e8 });
  judged = JSON.parse(await readFile(join(folder, "judged.json"), "utf8"));
}, 150_000);
afterAll(() => rm(folder ?? "", { recursive: true, force: true }));

describe.each([...Object.keys(geometries), "sieve"])("a structure set of a series that is %s", (name) => {
  it("passes dciodvfy without an error", () => {
    expect(judged[name].errors).toEqual([]);
    expect(judged[name].warnings.filter((line) => !line.includes("99LIMNET"))).toEqual([]);
  });

  it("has the voxels of the label inside its contours", () => {
    expect(judged[name].voxels).toBe(expected.get(name));
  });
});

describe("a structure set", () => {
  it("says the names of the objects and how they came to be", () => {
    expect(judged.axial.names).toEqual(names);
    expect(judged.axial.algorithms).toEqual(["SEMIAUTOMATIC", "SEMIAUTOMATIC", "MANUAL"]);
  });

  it("holds contours of any length", () => {
    expect(judged.sieve.longest).toBeGreaterThan(10_000);
  });
});
