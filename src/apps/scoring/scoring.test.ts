import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FolderDatastore } from "../../datastore/folder.js";
import type { Geometry, Shape } from "../../imaging/geometry.js";
import { encodeMask } from "../../imaging/mask.js";
import type { TaskDesk } from "../background.js";
import { scoringMethods } from "./methods.js";

const shape: Shape = [10, 10, 10];
const geometry: Geometry = { affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0] };
let folder: string;
let store: FolderDatastore;
let said: string[];
let progress: Record<string, unknown>;
const stop = { now: new AbortController() };
const desk = (): TaskDesk => ({ signal: stop.now.signal, say: (line) => said.push(line), report: (numbers) => void (progress = numbers) });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-scoring-"));
  store = new FolderDatastore(folder);
  await store.start();
  said = [];
  stop.now = new AbortController();
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

/** A cube of `value` from `low` on, of `size` voxels a side. */
function cube(low: number, size: number, value = 1): Uint8Array {
  const out = new Uint8Array(1000);
  for (let k = low; k < low + size; k++) for (let j = low; j < low + size; j++) for (let i = low; i < low + size; i++) out[i + 10 * (j + 10 * k)] = value;
  return out;
}

async function label(id: string, tag: string, mask: Uint8Array, info = {}, grid = geometry): Promise<void> {
  const file = join(folder, ".in.nii.gz");
  await encodeMask(mask, shape, grid, ".nii.gz", file);
  if (!(await store.image(id))) {
    await encodeMask(mask, shape, geometry, ".nii.gz", join(folder, ".image.nii.gz"));
    await store.addImage(id, ".nii.gz", join(folder, ".image.nii.gz"), {});
  }
  await store.saveLabel(id, tag, ".nii.gz", file, info);
}

const run = (method: string, request = {}) => scoringMethods().get(method)!.run(request, store, desk());
const info = async (id: string) => (await store.image(id))!.info;

test("dice compares original with final, and is written into the info of the image", async () => {
  await label("same", "original", cube(2, 4));
  await label("same", "final", cube(2, 4, 7));
  await label("half", "original", cube(0, 2));
  await label("half", "final", new Uint8Array(1000).map((_, n) => (n < 2 ? 1 : 0)));
  await label("alone", "final", cube(2, 4));
  expect(await run("dice")).toEqual({ same: 1, half: 0.4 });
  expect([(await info("same")).dice, (await info("half")).dice, (await info("alone")).dice]).toEqual([1, 0.4, undefined]);
  expect(said.at(-1)).toBe('dice: 2 of 2 images with labels "original" and "final"');
  expect(progress).toEqual({ done: 2, total: 2, failed: {} });
});

test("surface dice forgives two millimetres and no more", async () => {
  await label("near", "original", cube(2, 4));
  await label("near", "final", cube(3, 4));
  expect(await run("surface_dice")).toEqual({ near: 1 });
  expect((await info("near")).surface_dice).toBe(1);
  const strict = (await run("surface_dice", { tolerance: 0 })) as Record<string, number>;
  expect(strict.near).toBeLessThan(0.7);
  expect(strict.near).toBeGreaterThan(0);
});

test("segments are found by name: the mean of all, where a missing one counts nothing", async () => {
  const both = cube(0, 3, 1).map((value, n) => value || cube(5, 3, 2)[n]);
  const swapped = cube(0, 3, 2).map((value, n) => value || cube(5, 3, 1)[n]);
  await label("a", "original", both, { params: { label_names: { liver: 1, spleen: 2 } } });
  await label("a", "final", swapped, { label_info: [{ name: "spleen", idx: 1 }, { name: "liver", idx: 2 }] });
  await label("b", "original", both, { params: { label_names: { liver: 1, spleen: 2 } } });
  await label("b", "final", cube(0, 3, 1), { label_info: [{ name: "liver", idx: 1 }] });
  expect(await run("dice")).toEqual({ a: 1, b: 0.5 });
});

test("other tags may be named, and labels that cannot be compared are left out and said", async () => {
  await label("a", "version_1", cube(2, 4));
  await label("a", "final", cube(2, 4));
  await label("b", "version_1", cube(2, 4), {}, { affine: [1, 0, 0, 50, 0, 1, 0, 0, 0, 0, 1, 0] });
  await label("b", "final", cube(2, 4));
  await label("c", "final", cube(2, 4));
  await writeFile(join(folder, ".broken"), "not an image");
  await store.saveLabel("c", "version_1", ".nii.gz", join(folder, ".broken"), {});
  expect(await run("dice", { y_pred: "version_1" })).toEqual({ a: 1 });
  expect(progress).toMatchObject({ done: 1, total: 3, failed: { b: expect.stringMatching(/same grid/), c: expect.any(String) } });
  await expect(run("dice", { y: 3 })).rejects.toMatchObject({ code: "bad_params" });
  await expect(run("surface_dice", { tolerance: -1 })).rejects.toMatchObject({ code: "bad_params" });
});

test("a stop comes through in the middle", async () => {
  for (const id of ["a", "b"]) for (const tag of ["original", "final"]) await label(id, tag, cube(2, 4));
  const work = scoringMethods().get("dice")!.run({}, store, { ...desk(), report: ({ done }) => done === 1 && stop.now.abort(new Error("stop")) });
  await expect(work).rejects.toThrow("stop");
  expect((await info("b")).dice).toBeUndefined();
});
