import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Datastore } from "../datastore/datastore.js";
import { silentLog } from "../datastore/log.js";
import { FakeEngine } from "./limnet/testing.js";
import { loadApp } from "./load.js";

let folder: string;
const engine = new FakeEngine([1, 1, 1]);
const load = (conf: Record<string, string> = {}, appDir = folder) =>
  loadApp({ appDir, conf, datastore: {} as Datastore, stateDir: path.join(folder, "state"), logger: silentLog, engine });
const write = (value: unknown) => writeFile(path.join(folder, "app.json"), typeof value === "string" ? value : JSON.stringify(value));

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "limnet-load-"));
  await write({ app: "limnet", name: "Test", description: "d", labels: ["tumour"] });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("the radiology app of this repository is opened", async () => {
  const app = await load({}, path.resolve(import.meta.dirname, "../../sample-apps/radiology"));
  expect(app.name).toMatch(/^LIM-Net - Radiology \(\d+\.\d+\.\d+\)$/);
  expect(app.labels.length).toBeGreaterThan(5);
  expect([...app.models.keys()]).toEqual(["limnet", "limnet_2d", "limnet_outlines"]);
  expect([...app.strategies.keys()]).toEqual(["random", "first", "last", "uncertainty"]);
});

test("conf chooses models; keys that other apps know are let through", async () => {
  expect([...(await load({ models: "limnet_2d", preload: "true" })).models.keys()]).toEqual(["limnet_2d"]);
});

test("a key of conf that nobody knows is said, since it may be misspelt", async () => {
  const said: string[] = [];
  await loadApp({ appDir: folder, conf: { thraeds: "2" }, datastore: {} as Datastore, stateDir: folder, logger: { ...silentLog, warn: (text: string) => void said.push(text) }, engine });
  expect(said).toEqual([expect.stringMatching(/thraeds.*Known: .*threads/)]);
});

test("conf that cannot be used is named", async () => {
  await expect(load({ models: "deepedit" })).rejects.toThrow(/--conf.*models/);
  await expect(load({ fusion: "oracle" })).rejects.toThrow(/fusion/);
  await expect(load({ threads: "many" })).rejects.toThrow(/threads/);
});

test("an app folder that is none, or says something else, is refused with what is wrong", async () => {
  await expect(load({}, path.join(folder, "none"))).rejects.toThrow(/no app\.json/);
  await write("{");
  await expect(load()).rejects.toThrow(/JSON/);
  await write({ app: "deepedit", name: "x", labels: ["a"] });
  await expect(load()).rejects.toThrow(/app:/);
  await write({ app: "limnet", name: "x", labels: [] });
  await expect(load()).rejects.toThrow(/labels:/);
});

test("models that are not there are said so before anything starts", async () => {
  const options = { appDir: folder, conf: { models_dir: folder }, datastore: {} as Datastore, stateDir: folder, logger: silentLog };
  await expect(loadApp(options)).rejects.toMatchObject({ code: "bad_model" });
});

test("a device that cannot be is refused with those that can", async () => {
  await write({ app: "limnet", name: "Test", labels: ["tumour"] });
  for (const device of ["auto", "cpu", "cuda:1", "NVIDIA RTX A6000"]) await load({ device });
  await expect(load({ device: "tpu" })).rejects.toThrow(/device: .*"cuda:1"/);
});

test("further names come from the app's file or from conf, with what clients expect there", async () => {
  await write({ app: "limnet", name: "Test", labels: ["tumour", "liver"], aliases: ["deepgrow_3d"] });
  expect([...(await load()).models.keys()]).toEqual(["limnet", "limnet_2d", "limnet_outlines", "deepgrow_3d"]);
  expect([...(await load({ aliases: "" })).models.keys()]).toEqual(["limnet", "limnet_2d", "limnet_outlines"]);
  const { models } = await load({ aliases: "deepedit, sam_3d,deepgrow_2d,mine", models: "limnet" });
  expect([...models.keys()]).toEqual(["limnet", "deepedit", "sam_3d", "deepgrow_2d", "mine"]);
  const about = (name: string) => [models.get(name)!.type, models.get(name)!.dimension, models.get(name)!.labels];
  expect(about("deepedit")).toEqual(["deepedit", 3, { tumour: 1, liver: 2, background: 0 }]);
  expect(about("sam_3d")).toEqual(["deepgrow", 3, []]);
  expect(about("deepgrow_2d")).toEqual(["deepgrow", 2, ["tumour", "liver"]]);
  expect(about("mine")).toEqual(["deepgrow", 3, ["tumour", "liver"]]);
  expect(models.get("sam_3d")!.config()).toMatchObject({ device: ["cpu"], reset_state: false });
  await expect(load({ aliases: "deep grow" })).rejects.toThrow(/no spaces/);
  await expect(load({ aliases: "limnet" })).rejects.toThrow(/already/);
});

test("strategies and scoring may be left out, and a model of MONAI Label is answered with the way to its name", async () => {
  await write({ app: "limnet", name: "Test", labels: ["tumour"] });
  expect([(await load()).strategies.size, (await load()).scoring!.size]).toEqual([4, 2]);
  const without = await load({ skip_strategies: "true", skip_scoring: "True" });
  expect([without.strategies.size, without.scoring!.size]).toEqual([0, 0]);
  await expect(load({ models: "deepedit" })).rejects.toThrow(/limnet_2d, limnet_outlines; --conf aliases NAME/);
});
