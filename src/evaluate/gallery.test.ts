import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PNG } from "pngjs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Shape } from "../imaging/geometry.js";
import { encodeMask } from "../imaging/mask.js";
import { byDice, choose, draw, frameOf, MaskFiles, mostWrongSlice } from "./gallery.js";
import type { TaskResult } from "./run.js";

const shape: Shape = [100, 80, 6];
const geometry = { affine: [-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0] } as const;

function box(from: Shape, to: Shape): Uint8Array {
  const out = new Uint8Array(shape[0] * shape[1] * shape[2]);
  for (let k = from[2]; k < to[2]; k++) {
    for (let j = from[1]; j < to[1]; j++) for (let i = from[0]; i < to[0]; i++) out[i + shape[0] * (j + shape[1] * k)] = 1;
  }
  return out;
}

const seconds = { click: 0, propagate: 0, fuse: 0 };
const task = (id: string, ...scores: number[]): TaskResult => ({
  id, group: id, label: "any", shape, spacing: [1, 1, 1], axis: 2, voxels: 9,
  runs: { network: { rounds: scores.map((dice) => ({ slice: 2, clicks: [{ slice: 2, row: 20, col: 20, positive: true }], dice, sliceDice: 0, beyond: 0, kept: 0, propagated: 0, seconds })), surface: { nsd: 0, hd95: null } } },
});

describe("choose", () => {
  const names = (...tasks: TaskResult[]) => choose(tasks, "network").map(({ what, task: { id } }) => `${what} ${id}`);

  it("takes the worst, the median and the best after the last round", () => {
    expect(names(task("a", 0, 0.5), task("b", 0.9, 0.1), task("c", 0.2, 0.9), task("d", 1, 0.6), task("e", 1, 0.7))).toEqual(["worst b", "median d", "best c"]);
    expect(names(task("a", 0.4), task("b", 0.3), task("c", 0.2), task("d", 0.1))).toEqual(["worst d", "median c", "best a"]);
  });

  it("shows no case twice", () => {
    expect(names(task("a", 0.5), task("b", 0.5))).toEqual(["worst a", "best b"]);
    expect(names(task("a", 0.5))).toEqual(["only a"]);
    expect(names()).toEqual([]);
  });

  it("leaves the order of the run alone", () => {
    const tasks = [task("a", 0.5), task("b", 0.1)];
    expect(byDice(tasks, "network").map(({ id }) => id)).toEqual(["b", "a"]);
    expect(tasks[0].id).toBe("a");
  });
});

describe("what is shown", () => {
  const truth = box([10, 10, 1], [30, 30, 5]);

  it("names the slice with the most wrong pixels", () => {
    expect(mostWrongSlice(truth, box([10, 10, 1], [30, 30, 3]), shape, 2)).toBe(3);
    expect(mostWrongSlice(truth, box([10, 10, 1], [31, 30, 6]), shape, 2)).toBe(5);
    expect(mostWrongSlice(truth, truth.slice(), shape, 2)).toBeNull();
  });

  it("cuts to the object and its surroundings, inside of the slice", () => {
    expect(frameOf([truth, box([60, 20, 2], [80, 50, 3])], shape, 2, [2])).toEqual({ row: 0, col: 0, rows: 64, cols: 94 });
    expect(frameOf([truth, box([60, 20, 2], [80, 50, 3])], shape, 2, [1])).toEqual({ row: 0, col: 0, rows: 64, cols: 64 });
    expect(frameOf([box([90, 70, 1], [99, 79, 2])], shape, 2, [1])).toEqual({ row: 16, col: 36, rows: 64, cols: 64 });
    expect(frameOf([new Uint8Array(48_000)], shape, 2, [1])).toEqual({ row: 0, col: 0, rows: 80, cols: 100 });
  });
});

describe("draw", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "limnet-gallery-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("makes a picture of the image and the masks that were kept", async () => {
    const masks = new MaskFiles(folder);
    const truth = box([10, 10, 1], [30, 30, 5]);
    const mask = box([12, 10, 1], [30, 30, 4]);
    const image = join(folder, "image.nii.gz");
    await encodeMask(truth, shape, geometry, ".nii.gz", image);
    const kept = { image, truth: await masks.keep(truth), masks: { network: await masks.keep(mask) } };
    expect(await MaskFiles.read(kept.masks.network)).toEqual(mask);
    const { png, wrongest } = await draw({ what: "only", task: task("a", 0.5, 0.8) }, kept, ["network"]);
    expect(wrongest).toBe(4);
    const { width, height, data } = PNG.sync.read(png);
    const seen = new Map<string, number>();
    for (let at = 0; at < width * height * 4; at += 4) {
      const colour = data.subarray(at, at + 3).join();
      seen.set(colour, (seen.get(colour) ?? 0) + 1);
    }
    // Four times enlarged: the outline of 20 x 20 pixels on four slices, that of 18 x 20 on three, a click on one.
    expect(seen.get("70,220,100")).toBeGreaterThan(4 * 4 * 70);
    expect(seen.get("255,90,70")).toBeGreaterThan(3 * 4 * 70);
    expect(seen.get("90,190,255")).toBeGreaterThan(50);
  });
});
