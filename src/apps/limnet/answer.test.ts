import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeMaskBits } from "../../engine/mask-bits.js";
import { writeState } from "../../engine/state.js";
import type { Shape } from "../../imaging/geometry.js";
import type { InferResult } from "../app.js";
import { Answer } from "./answer.js";
import type { ObjectState } from "./object-request.js";
import { parseMaskRequest } from "./params.js";
import { readMask } from "./read-mask.js";
import { emptyHistory } from "./rounds/history.js";

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

describe("an answer that is begun early", () => {
  const grid = { shape: [2, 2, 2] as Shape, geometry: { affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0] } } as const;
  const wanted = parseMaskRequest({ result_extension: ".nrrd", label: "x" }, ".nii.gz");
  const stateOf = (fusedPath: string): ObjectState => ({ step: null, history: emptyHistory, fusedPath, ran: new Set(), engineSeconds: 0 });
  const voxels = ({ file }: InferResult) => [...Buffer.concat(Array.from(file!.parts!, (piece) => Buffer.from(piece))).subarray(-8)];

  it("shows the packed mask that was there, before the state is", async () => {
    const state = path.join(folder, "early.gz");
    await writeMaskBits(state, Uint8Array.from([255, 0, 0, 0, 0, 0, 0, 200]));
    const answer = new Answer({ wanted, grid, tempDir: folder, start: performance.now() });
    answer.begin(state, true);
    expect(voxels(await answer.of(stateOf(state), 2))).toEqual([1, 0, 0, 0, 0, 0, 0, 1]);
  });

  it("is made of the state where there was no packed mask, or where another state came of it", async () => {
    const [begun, other] = [path.join(folder, "begun.gz"), path.join(folder, "came.gz")];
    const answer = new Answer({ wanted, grid, tempDir: folder, start: performance.now() });
    answer.begin(begun, true);
    await writeState(begun, Uint8Array.from([0, 255, 0, 0, 0, 0, 0, 0]));
    expect(voxels(await answer.of(stateOf(begun), 2))).toEqual([0, 1, 0, 0, 0, 0, 0, 0]);
    await writeState(other, Uint8Array.from([0, 0, 255, 0, 0, 0, 0, 0]));
    expect(voxels(await answer.of(stateOf(other), 2))).toEqual([0, 0, 1, 0, 0, 0, 0, 0]);
  });
});
