import { afterEach, beforeEach, expect, test } from "vitest";
import { readVolume } from "../../imaging/read.js";
import { onDisk } from "../result-file.js";
import { TestBench } from "./testing-app.js";

let bench: TestBench;
beforeEach(async () => {
  bench = await TestBench.make();
});
afterEach(() => bench.close());

const [a, b, c] = [[1, 1, 2], [2, 3, 2], [3, 3, 5]];
const options = () => ({ signal: new AbortController().signal, tempDir: `${bench.folder}/tmp` });
const stored = (app = bench.app) => app.models.get("limnet")!.stored!;
const again = async (app = bench.app, image = bench.image) => {
  const result = await stored(app).again(image, { result_extension: ".nrrd" }, options());
  if (!result) return null;
  return { json: result.json, mask: Array.from((await readVolume(await onDisk(result.file!))).voxels) };
};

test("images with stored clicks are known, others have nothing to do again", async () => {
  expect([...await stored().images()]).toEqual([]);
  expect(await again()).toBeNull();
  await bench.ask({ foreground: [a], label: "tumour" });
  expect([...await stored(bench.reopen()).images()]).toEqual(["scan"]);
  expect(await again(bench.app, { ...bench.image, digest: "another file" })).toBeNull();
});

test("the clicks in force give the mask that the client has, without work where the networks are the same", async () => {
  await bench.ask({ foreground: [a], label: "tumour" });
  const { mask } = await bench.ask({ foreground: [a, c], background: [b], label: "tumour" });
  const jobs = bench.engine.jobs.length;
  const result = (await again())!;
  expect(result.mask).toEqual(mask);
  expect(result.json).toMatchObject({ label_names: { tumour: 1 }, centroids: {}, limnet: { objects: [{ label: "tumour", run: 0, clicks: 3 }] } });
  expect(bench.engine.jobs).toHaveLength(jobs);
});

test("other networks compute all rounds again", async () => {
  await bench.ask({ foreground: [a], label: "tumour" });
  await bench.ask({ foreground: [a, c], label: "tumour" });
  bench.engine.model = "model-2";
  const app = bench.reopen({ modelDigest: "model-2" });
  const jobs = bench.engine.jobs.length;
  const result = (await again(app))!;
  expect(result.json.limnet).toMatchObject({ objects: [{ run: 2, model: "model-2" }] });
  expect(bench.engine.jobs.length).toBe(jobs + 2);
});

test("several labels make one mask, the app's own labels first; of two people's work the newest counts", async () => {
  await bench.ask({ foreground: [b], label: "zyst" });
  await bench.ask({ foreground: [a], label: "tumour" }, { user: "u" });
  await new Promise((resolve) => setTimeout(resolve, 20));
  const { mask: newest } = await bench.ask({ foreground: [c], label: "tumour" }, { user: "v" });
  const result = (await again())!;
  expect(result.json.label_names).toEqual({ tumour: 1, zyst: 2 });
  const { mask: other } = await bench.ask({ foreground: [b], label: "zyst" });
  expect(result.mask).toEqual(newest!.map((value, n) => (other![n] ? 2 : value)));
});

test("what was undone to nothing, and what another model did, is left out", async () => {
  await bench.ask({ foreground: [a], label: "tumour" });
  await bench.ask({ foreground: [], label: "tumour" });
  await bench.ask({ foreground: [a], label: "flat" }, { model: "limnet_2d" });
  expect(await again()).toBeNull();
});
