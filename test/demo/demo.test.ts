import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PNG } from "pngjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sameGrid } from "../../src/imaging/geometry.js";
import { readVolume } from "../../src/imaging/read.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** Networks that someone else names may be anything, untrained ones too: only the machinery is looked at then. */
const foreign = Boolean(process.env.LIMNET_MODELS);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-demo-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function demo(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, "bin", "limnet"), "demo", "--out", folder, ...args], { cwd: folder });
    let out = "";
    let err = "";
    child.stdout.on("data", (data) => { out += data; });
    child.stderr.on("data", (data) => { err += data; });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, out, err }));
  });
}

describe("limnet demo", () => {
  it("clicks six rounds through the real server, prints them, and leaves label and contact sheet", async () => {
    const { code, out, err } = await demo(...(foreign ? ["--min-dice", "0"] : []));
    expect(err).not.toMatch(/error/i);
    expect(code).toBe(0);
    expect(out).toMatch(/round +slice clicked +click +Dice % +slices kept +seconds/);
    expect(out.match(/^ +[1-6] +(\d+|-) +[+-]? +\d+\.\d +\d+ +\d+\.\d$/gm)).toHaveLength(6);
    const label = await readVolume(join(folder, "studies", "labels", "final", "STS_009_MR_T1.nii.gz"));
    const scan = await readVolume(join(root, "sample-apps", "radiology", "demo-studies", "STS_009_MR_T1.nii.gz"));
    expect(sameGrid(label, scan)).toBe(true);
    expect(label.voxels.some((v) => v === 1)).toBe(true);
    const sheet = PNG.sync.read(await readFile(join(folder, "contact-sheet.png")));
    expect(sheet.width).toBeGreaterThan(1000);
  }, 240_000);

  it("fails with a sentence when the result is worse than was asked for", async () => {
    const { code, err } = await demo("--rounds", "1", "--min-dice", "1");
    expect(code).toBe(1);
    expect(err).toContain("The Dice after the last round is");
  }, 120_000);

  it("fails with a sentence when the scan is not there", async () => {
    const { code, err } = await demo("--image", "nobody");
    expect(code).toBe(1);
    expect(err.trim()).toBe("There is no scan nobody in sample-apps/radiology/demo-studies.");
  }, 60_000);
});
