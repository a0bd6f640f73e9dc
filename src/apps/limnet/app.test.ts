import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readVolume } from "../../imaging/read.js";
import { onDisk } from "../result-file.js";
import { LimnetApp } from "./app.js";
import { TestBench, testGeometry, testShape } from "./testing-app.js";

let bench: TestBench;
beforeEach(async () => {
  bench = await TestBench.make();
});
afterEach(() => bench.close());
const ask: TestBench["ask"] = (...args) => bench.ask(...args);
const sum = (mask: number[] | null) => mask!.reduce((a, b) => a + b, 0);
const at = (mask: number[] | null, [i, j, k]: number[]) => mask![i + 6 * (j + 7 * k)];

const [a, b, c, d] = [[1, 1, 2], [2, 3, 2], [3, 3, 5], [4, 4, 6]];

describe("rounds", () => {
  test("a click gives a mask on the grid of the image in which it is obeyed", async () => {
    const { file, mask, json } = await ask({ foreground: [a], background: [b], label: "tumour", result_extension: ".nrrd" });
    expect(file!.ext).toBe(".nrrd");
    const volume = await readVolume(await onDisk(file!));
    expect(volume.shape).toEqual(testShape);
    expect(volume.geometry.affine.map((x) => Math.round(x * 1e4) / 1e4)).toEqual([...testGeometry.affine]);
    expect([at(mask, a), at(mask, b)]).toEqual([1, 0]);
    expect(json).toMatchObject({
      label_names: ["tumour"], centroids: {}, latencies: { invert: 0, transform: null },
      limnet: { round: 1, slice: 2, axis: 2, rounds: [{ slice: 2, clicks: 2, run: true }], slices: [{ index: 2, winner: "user", probability: 1 }], model: "model-1" },
    });
  });

  test("the next slice runs one round from the kept state, the same slice redoes its round", async () => {
    await ask({ foreground: [a] });
    await ask({ foreground: [a, b] });
    await ask({ foreground: [a, b, c] });
    expect(bench.engine.jobs.map((job) => [job.state.rounds.length, job.rounds.length])).toEqual([[0, 1], [0, 1], [1, 1]]);
    expect(bench.engine.jobs[1].rounds[0].clicks).toHaveLength(2);
    expect(bench.engine.jobs[2].state.fusedPath).toBe(bench.engine.jobs[1].outputs[0]);
  });

  test("clicked one by one, sent at once, or sent after a restart: the same mask", async () => {
    const lists = [{ foreground: [a] }, { foreground: [a, b] }, { foreground: [a, b], background: [c] }, { foreground: [a, b, d], background: [c] }];
    let last = null;
    for (const params of lists) last = (await ask(params)).mask;
    const again = await ask(lists[3], { to: bench.reopen() });
    expect(bench.engine.jobs).toHaveLength(4);
    expect(again.mask).toEqual(last);
    expect(again.own.rounds.map(({ slice, run }) => [slice, run])).toEqual([[2, false], [5, false], [6, false]]);
    await ask({ foreground: [a], label: "other" });
    await ask({ foreground: [a, b], background: [c], label: "other" });
    expect((await ask({ foreground: [a, b, d], background: [c], label: "other" })).mask).toEqual(last);
    expect((await ask({ foreground: [a, b, c, d], label: "third" })).mask).not.toEqual(last);
  });

  test("an undo takes the kept state, and the way forward again as well", async () => {
    const one = await ask({ foreground: [a] });
    const two = await ask({ foreground: [a, c] });
    expect((await ask({ foreground: [a] })).mask).toEqual(one.mask);
    expect((await ask({ foreground: [a, c] })).mask).toEqual(two.mask);
    expect(bench.engine.jobs).toHaveLength(2);
  });

  test("no clicks give an empty mask, and the next click begins anew", async () => {
    const one = await ask({ foreground: [a] });
    const none = await ask({ foreground: [], background: [] });
    expect(sum(none.mask)).toBe(0);
    expect(none.own).toMatchObject({ round: 0, slice: null, rounds: [], slices: [] });
    expect((await ask({})).mask).toEqual(none.mask);
    expect((await ask({ foreground: [a] })).mask).toEqual(one.mask);
  });

  test("users, labels, axes and windows do not mix", async () => {
    await ask({ foreground: [a] });
    await ask({ foreground: [a] }, { user: "v" });
    await ask({ foreground: [a], label: "liver" });
    await ask({ foreground: [a], axis: "sagittal" });
    await ask({ foreground: [a], window: [-100, 100] });
    expect(bench.engine.jobs.map((job) => [job.axis, job.settings.window])).toEqual([[2, null], [2, null], [2, null], [0, null], [2, [-100, 100]]]);
  });

  test("old states are deleted, and an undo beyond them is computed again", async () => {
    const clicks = Array.from({ length: 80 }, (_, n) => [1, n % 7, n % 8]).map(([i, j, k], n) => [(i + Math.floor(n / 56)) % 6, j, k]);
    const masks = [];
    for (let n = 1; n <= clicks.length; n++) masks.push((await ask({ foreground: clicks.slice(0, n) })).mask);
    expect((await bench.stateFiles()).states).toHaveLength(64);
    expect((await ask({ foreground: clicks.slice(0, 10) })).mask).toEqual(masks[9]);
    expect(bench.engine.jobs.slice(80).map((job) => job.state.rounds.length)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test("two requests on one object run one after the other", async () => {
    let running = 0;
    bench.engine.before = async () => {
      expect(++running).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 20));
      running--;
    };
    const [one, two] = await Promise.all([ask({ foreground: [a] }), ask({ foreground: [a, c] })]);
    expect(bench.engine.jobs[1].state.fusedPath).not.toBeNull();
    expect(one.mask).not.toEqual(two.mask);
  });
});

describe("limnet_2d", () => {
  test("takes the clicks of the slice asked for and does not propagate", async () => {
    const { own } = await ask({ foreground: [a, b, c], background: [[0, 0, 2]], slice: 2 }, { model: "limnet_2d" });
    expect(own).toMatchObject({ round: 1, slice: 2 });
    expect(bench.engine.jobs[0].rounds[0].clicks).toHaveLength(3);
    expect(bench.engine.jobs[0].settings.propagate).toBe(false);
  });

  test("else those on the slice of the last foreground click, else of the last background click", async () => {
    expect((await ask({ foreground: [a, c], background: [d] }, { model: "limnet_2d" })).own.slice).toBe(5);
    expect((await ask({ background: [a, d], slice: -1 }, { model: "limnet_2d" })).own.slice).toBe(6);
    expect(sum((await ask({ foreground: [a], slice: 3 }, { model: "limnet_2d" })).mask)).toBe(0);
    await expect(ask({ foreground: [a], slice: 8 }, { model: "limnet_2d" })).rejects.toMatchObject({ code: "bad_params" });
  });
});

describe("the device of a request", () => {
  test("goes to the engine with every round; what was computed elsewhere counts all the same", async () => {
    await ask({ foreground: [a], device: "NVIDIA RTX A6000:1" });
    await ask({ foreground: [a], device: "cpu" });
    await ask({ foreground: [a, b] });
    expect(bench.engine.jobs.map(({ device }) => device)).toEqual(["cuda:1", undefined]);
  });

  test("must be one that there can be", async () => {
    await expect(ask({ foreground: [a], device: "tpu" })).rejects.toMatchObject({ code: "bad_params", message: expect.stringContaining('"cuda:1"') });
    expect(bench.engine.jobs).toHaveLength(0);
  });

  test("is one of the list of the model, whose first is where the engine runs", () => {
    const lists = (["cpu", "cuda", "cuda:1"] as const).map((device) => {
      Object.assign(bench.engine, { device });
      return bench.app.models.get("limnet")!.config().device;
    });
    expect(lists).toEqual([["cpu"], ["cuda", "cpu"], ["cuda:1", "cpu"]]);
    const elsewhere = new LimnetApp({ name: "t", description: "", version: "0", labels: [], stateDir: bench.stateDir });
    expect(elsewhere.models.get("limnet")!.config().device).toEqual(["auto", "cpu", "cuda"]);
  });
});

describe("results", () => {
  test("are written as asked, by default like the image", async () => {
    expect((await ask({ foreground: [a] })).file!.ext).toBe(".nii.gz");
    for (const extension of [".nii", ".nrrd", ".seg.nrrd"]) {
      const { file, mask } = await ask({ foreground: [a], result_extension: extension, result_dtype: "uint16", result_compress: true });
      expect(file!.path.endsWith(extension)).toBe(true);
      expect(at(mask, a)).toBe(1);
    }
    expect(bench.engine.jobs).toHaveLength(1);
  });

  test("may be JSON only", async () => {
    expect((await ask({ foreground: [a], result_write_to_file: false })).file).toBeNull();
  });

  test("models are published as clients expect them", () => {
    expect([...bench.app.models].map(([name, { type, dimension, labels }]) => [name, type, dimension, labels])).toEqual(
      [["limnet", "deepgrow", 3, ["tumour"]], ["limnet_2d", "deepgrow", 2, ["tumour"]], ["limnet_outlines", "scribbles", 3, ["tumour"]]]);
    expect(bench.app.models.get("limnet")!.config()).toEqual({ device: ["cpu"], axis: ["auto", "axial", "coronal", "sagittal"] });
  });
});
