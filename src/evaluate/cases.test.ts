import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { casesOfFolders, casesOfIndex, objectsOf } from "./cases.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-cases-"));
});
afterEach(() => rm(folder, { recursive: true }));

async function touch(...names: string[]) {
  for (const name of names) {
    await mkdir(join(folder, name, ".."), { recursive: true });
    await writeFile(join(folder, name), "");
  }
}

describe("casesOfFolders", () => {
  it("pairs by name, whatever the extension, and leaves out images without label", async () => {
    await touch("images/a.nii.gz", "images/b.nrrd", "images/c.nii", "images/notes.txt", "labels/a.nii.gz", "labels/b.nii.gz");
    const cases = await casesOfFolders(join(folder, "images"), join(folder, "labels"));
    expect(cases.map(({ id, image, label }) => [id, image, label])).toEqual([
      ["a", join(folder, "images/a.nii.gz"), join(folder, "labels/a.nii.gz")],
      ["b", join(folder, "images/b.nrrd"), join(folder, "labels/b.nii.gz")],
    ]);
  });

  it("reads images and labels from one folder by their suffixes", async () => {
    await touch("x_image.nii.gz", "x_label.nii.gz", "y_image.nii.gz", "z.nii.gz");
    expect((await casesOfFolders(folder, folder)).map(({ id }) => id)).toEqual(["x"]);
  });

  it("says so when nothing fits", async () => {
    await touch("images/a.nii.gz", "labels/b.nii.gz");
    await expect(casesOfFolders(join(folder, "images"), join(folder, "labels"))).rejects.toThrow("same name");
    await expect(casesOfFolders(join(folder, "nowhere"), folder)).rejects.toThrow("cannot be read");
  });
});

describe("casesOfIndex", () => {
  const entry = (id: string, more: object = {}) => ({ id, dataset: "sts", split: "val", kind: "volume", image: `${id}_image.nii.gz`, label: `${id}_label.nii.gz`, case: id, ...more });

  it("takes the labelled volumes of a split and a data set, with their patients", async () => {
    const entries = [
      entry("p1_ct", { patient: "p1" }), entry("p1_mr", { patient: "p1" }), entry("q"), entry("t", { split: "train" }),
      entry("other", { dataset: "msd" }), entry("picture", { kind: "image" }), entry("bare", { label: null }),
    ];
    await writeFile(join(folder, "index.json"), JSON.stringify({ version: 1, entries }));
    const cases = await casesOfIndex(join(folder, "index.json"), "val", ["sts"]);
    expect(cases.map(({ id, group }) => [id, group])).toEqual([["p1_ct", "sts/p1"], ["p1_mr", "sts/p1"], ["q", "sts/q"]]);
    expect(cases[0].image).toBe(join(folder, "p1_ct_image.nii.gz"));
    await expect(casesOfIndex(join(folder, "index.json"), "val", ["lung"])).rejects.toThrow("It knows: sts, msd");
  });

  it("refuses what is no index", async () => {
    await writeFile(join(folder, "index.json"), "{");
    await expect(casesOfIndex(join(folder, "index.json"), "", [])).rejects.toThrow("cannot be read as JSON");
    await writeFile(join(folder, "index.json"), '{"entries": 3}');
    await expect(casesOfIndex(join(folder, "index.json"), "", [])).rejects.toThrow("not as expected: entries");
  });
});

describe("objectsOf", () => {
  const voxels = [...new Array(40).fill(2), ...new Array(50).fill(7), 3, 0, 0];

  it("takes all labels together, each one that is large enough, or a chosen one", () => {
    const sizes = (wanted: "any" | "each" | number) => objectsOf(voxels, wanted).map(({ value, truth }) => [value, truth.reduce((a, b) => a + b, 0)]);
    expect(sizes("any")).toEqual([["any", 91]]);
    expect(sizes("each")).toEqual([[2, 40], [7, 50]]);
    expect(sizes(3)).toEqual([[3, 1]]);
    expect(sizes(9)).toEqual([]);
    expect(objectsOf([0, 0], "any")).toEqual([]);
  });
});
