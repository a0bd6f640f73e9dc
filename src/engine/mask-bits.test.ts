import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expandBits, maskPath, packBits, readMaskBits, writeMaskBits } from "./mask-bits.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-mask-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const probabilities = (length: number) => Uint8Array.from({ length }, (_, n) => (n * 37 + (n >>> 5) * 11) % 256);
const maskOf = (volume: Uint8Array) => volume.map((value) => (value >= 128 ? 1 : 0));

describe("the packed mask of a state", () => {
  it.each([0, 1, 7, 8, 9, 64, 1001, 5_000_003])("is 1 from 128 on, of %i voxels", async (length) => {
    const volume = probabilities(length);
    const path = join(folder, `${length}.gz`);
    await writeMaskBits(path, volume);
    const mask = await readMaskBits(path, length);
    expect(Buffer.compare(mask!, maskOf(volume))).toBe(0);
  });

  it("is the same wherever the voxels lie in memory", async () => {
    const volume = probabilities(131);
    const moved = new Uint8Array(134).subarray(3);
    moved.set(volume);
    expect(packBits(moved)).toEqual(packBits(volume));
    expect(await expandBits(packBits(volume), 131)).toEqual(maskOf(volume));
  });

  it("does not count where it is missing, cut short, no gzip or of another size", async () => {
    const path = join(folder, "state.gz");
    expect(await readMaskBits(path, 1000)).toBeNull();
    await writeMaskBits(path, probabilities(1000));
    expect(await readMaskBits(path, 992)).toBeNull();
    expect(await readMaskBits(path, 1001)).toBeNull();
    await truncate(maskPath(path), (await readFile(maskPath(path))).length - 5);
    expect(await readMaskBits(path, 1000)).toBeNull();
    await writeFile(maskPath(path), "no gzip");
    expect(await readMaskBits(path, 1000)).toBeNull();
  });

  it("is left out without a word where it cannot be written", async () => {
    await writeMaskBits(join(folder, "none", "state.gz"), probabilities(10));
    expect(await readMaskBits(join(folder, "none", "state.gz"), 10)).toBeNull();
  });
});
