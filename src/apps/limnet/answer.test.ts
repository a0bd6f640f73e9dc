import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeState } from "../../engine/state.js";
import type { Shape } from "../../imaging/geometry.js";
import { readMask } from "./answer.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "limnet-answer-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("the mask of stored probabilities", () => {
  it.each<[Shape]>([[[3, 3, 1]], [[1, 1, 1]], [[4, 3, 2]], [[7, 5, 3]], [[257, 129, 130]]])("is 1 from 128 on, whatever the number of voxels: %j", async (shape) => {
    const stored = Uint8Array.from({ length: shape[0] * shape[1] * shape[2] }, (_, n) => (n * 37) % 256);
    const file = path.join(folder, "state.gz");
    await writeState(file, stored);
    const mask = await readMask(file, shape);
    expect(mask.length).toBe(stored.length);
    expect(mask.findIndex((value, n) => value !== (stored[n] >= 128 ? 1 : 0))).toBe(-1);
  });

  it("is empty without any, and refused where it is not of that size", async () => {
    expect(await readMask(null, [2, 1, 1])).toEqual(new Uint8Array(2));
    const file = path.join(folder, "other.gz");
    await writeState(file, new Uint8Array(10));
    await expect(readMask(file, [11, 1, 1])).rejects.toThrow(/does not fit the image/);
  });
});
