import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sliceFile } from "../../test/fixtures/dicom/make.js";
import { lpsFrame } from "../imaging/geometry.js";
import { readVolume } from "../imaging/read.js";
import { encodeMask } from "../imaging/mask.js";
import { FolderDatastore } from "./folder.js";

let folder: string;
let opened: FolderDatastore[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-series-"));
  opened = [];
});
afterEach(async () => {
  for (const store of opened) await store.close();
  await rm(folder, { recursive: true, force: true });
});

async function store(): Promise<FolderDatastore> {
  const made = new FolderDatastore(folder, { series: { cache: join(folder, ".limnet", "series") } });
  opened.push(made);
  await made.start();
  return made;
}

/** Slices of 3 x 2 pixels, 2 mm apart, written from head to feet; every pixel of a slice is its number. */
async function writeSeries(name: string, count = 3): Promise<void> {
  await mkdir(join(folder, name), { recursive: true });
  for (let number = 1; number <= count; number++) {
    const file = sliceFile(new Uint16Array(6).fill(number), { rows: 2, columns: 3, position: [5, 6, -2 * number], spacing: [0.5, 0.25], number });
    await writeFile(join(folder, name, `IM${number}`), file);
  }
}

describe("a folder of DICOM files among the studies", () => {
  it("is one image with the name of the folder, and becomes a volume in its place when it is used", async () => {
    await writeSeries("head ct");
    await writeFile(join(folder, "head ct", "Thumbs.db"), "no DICOM");
    await mkdir(join(folder, "notes"));
    await writeFile(join(folder, "notes", "readme.txt"), "no DICOM at all");
    const datastore = await store();
    expect(await datastore.listImages()).toEqual(["head ct"]);
    expect((await datastore.document()).objects["head ct"]).toMatchObject({ image: { ext: "", info: { name: "head ct" } }, labels: {} });
    expect(await readdir(folder)).not.toContain(".limnet");

    const image = (await datastore.image("head ct"))!;
    expect(image).toMatchObject({ id: "head ct", ext: ".nrrd" });
    const volume = await readVolume(image.path);
    expect([volume.shape, [...volume.voxels].filter((_, at) => at % 6 === 0)]).toEqual([[3, 2, 3], [3, 2, 1]]);
    expect(lpsFrame(volume.geometry)).toMatchObject({ origin: [5, 6, -6], steps: [[0.25, 0, 0], [0, 0.5, 0], [0, 0, 2]] });
    expect(await datastore.imageHeader("head ct")).toMatchObject({ shape: [3, 2, 3] });
    expect((await datastore.source("head ct"))!.slices.map(({ sopInstanceUid }) => sopInstanceUid)).toEqual(["1.2.3.4.3", "1.2.3.4.2", "1.2.3.4.1"]);
  });

  it("is offered under the name of a file, without a path until its volume is made, and then says what is unusual about it", async () => {
    await writeSeries("a", 5);
    await rm(join(folder, "a", "IM3"));
    const datastore = await store();
    expect(await datastore.peek("a")).toMatchObject({ path: "", ext: ".nrrd", info: { name: "a.nrrd" } });
    const { path } = (await datastore.image("a"))!;
    expect(await datastore.peek("a")).toMatchObject({ path, info: { name: "a.nrrd", dicom: { notes: expect.arrayContaining([expect.stringMatching(/1 slice\(s\) seem to be missing/)]), even: false } } });
  });

  it("keeps its digest over a restart, and changes it with its files", async () => {
    await writeSeries("a");
    const first = await store();
    const digest = await first.imageDigest("a");
    const path = (await first.image("a"))!.path;
    await first.close();
    const second = await store();
    expect([await second.imageDigest("a"), (await second.image("a"))!.path]).toEqual([digest, path]);
    await writeSeries("a", 4);
    expect(await second.imageDigest("a")).not.toBe(digest);
    expect(await second.imageHeader("a")).toMatchObject({ shape: [3, 2, 4] });
    // A click may be at work on the volume of before: it stays for a while, and goes with a later change.
    expect((await readVolume(path)).shape).toEqual([3, 2, 3]);
    await utimes(join(path, ".."), new Date(), new Date(Date.now() - 3600_000));
    await writeSeries("a", 5);
    expect(await second.imageHeader("a")).toMatchObject({ shape: [3, 2, 5] });
    await expect(readFile(path)).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("makes room for others when it was not used for longest, but stays while it is in use, also by another server", async () => {
    for (const name of ["a", "b", "c", "d"]) await writeSeries(name, 40);
    const probe = await store();
    const bytes = (await Promise.all(["source.json", "volume.nrrd"].map(async (name) => (await stat(join((await probe.image("a"))!.path, "..", name))).size))).reduce((sum, size) => sum + size);
    const limits = { series: { cache: join(folder, ".limnet", "series"), maxBytes: 2.5 * bytes, leaseMs: 60_000 } };
    const [one, other] = [new FolderDatastore(folder, limits), new FolderDatastore(folder, limits)];
    opened.push(one, other);
    await Promise.all([one.start(), other.start()]);
    const pathOf = async (datastore: FolderDatastore, id: string) => join((await datastore.image(id))!.path, "..");
    const here = (paths: readonly string[]) => Promise.all(paths.map((path) => stat(path).then(() => true, () => false)));
    const [a, b, c] = [await pathOf(one, "a"), await pathOf(other, "b"), await pathOf(one, "c")];
    // In use, all of them: they stay, though there is no room for the third.
    expect(await here([a, b, c])).toEqual([true, true, true]);
    for (const [path, minutes] of [[a, 3], [b, 4], [c, 5]] as const) await utimes(path, new Date(), new Date(Date.now() - minutes * 60_000));
    expect(await pathOf(other, "c")).toBe(c);
    const d = await pathOf(one, "d");
    expect(await here([a, b, c, d])).toEqual([false, false, true, true]);
    // What went is made again.
    expect([await pathOf(one, "b"), await one.imageDigest("b")]).toEqual([b, await other.imageDigest("b")]);
  });

  it("leaves nothing of a server that was killed while it made a volume", async () => {
    await writeSeries("a");
    const datastore = await store();
    const home = join((await datastore.image("a"))!.path, "..", "..");
    for (const [name, age] of [[".old", 25], [".fresh", 1]] as const) {
      await mkdir(join(home, name));
      await utimes(join(home, name), new Date(), new Date(Date.now() - age * 3600_000));
    }
    await writeSeries("a", 4);
    await datastore.image("a");
    expect((await readdir(home)).filter((name) => name.startsWith("."))).toEqual([".fresh"]);
  });

  it("is made anew where a power cut left a part of it: of the volume, or of what is known about it", async () => {
    await writeSeries("a");
    const path = (await (await store()).image("a"))!.path;
    const whole = await readFile(path);
    for (const [name, left] of [["volume.nrrd", whole.subarray(0, 100)], ["source.json", ""], ["source.json", "{"]] as const) {
      await writeFile(join(path, "..", name), left);
      expect((await (await store()).image("a"))!.path).toBe(path);
      expect(await readFile(path)).toEqual(whole);
      expect((await (await store()).source("a"))!.slices).toHaveLength(3);
    }
  });

  it("is read once when many ask at the same time", async () => {
    await writeSeries("a", 20);
    const datastore = await store();
    const paths = (await Promise.all(Array.from({ length: 8 }, () => datastore.image("a")))).map((image) => image!.path);
    expect(new Set(paths).size).toBe(1);
  });

  it("takes labels like any image, and goes with them", async () => {
    await writeSeries("a");
    const datastore = await store();
    const label = join(folder, ".label.nii.gz");
    await encodeMask(new Uint8Array(18).fill(1), [3, 2, 3], { affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0] }, ".nii.gz", label);
    await datastore.saveLabel("a", "final", ".nii.gz", label, {});
    expect(await datastore.listUnlabeled()).toEqual([]);
    expect(await readdir(join(folder, "labels", "final"))).toEqual(["a.nii.gz"]);
    await datastore.removeImage("a");
    expect([await datastore.listImages(), await readdir(join(folder, "labels", "final"))]).toEqual([[], []]);
    expect(await readdir(folder)).not.toContain("a");
  });

  it("stands back behind a file of the same name, and is not touched when one is stored", async () => {
    await writeSeries("a");
    const datastore = await store();
    const file = join(folder, ".new.nii.gz");
    await encodeMask(new Uint8Array(8), [2, 2, 2], { affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0] }, ".nii.gz", file);
    await datastore.addImage("a", ".nii.gz", file, {});
    expect(await datastore.imageHeader("a")).toMatchObject({ shape: [2, 2, 2] });
    expect(await readdir(join(folder, "a"))).toHaveLength(3);
  });

  it("that comes while the server runs is seen at the next question, and one that cannot be read is refused in words", async () => {
    const datastore = await store();
    expect(await datastore.listImages()).toEqual([]);
    await writeSeries("late");
    await mkdir(join(folder, "broken"));
    await writeFile(join(folder, "broken", "1.dcm"), sliceFile(new Uint16Array(6), { rows: 2, columns: 3 }).subarray(0, -4));
    await expect.poll(() => datastore.listImages(), { timeout: 10_000 }).toEqual(["broken", "late"]);
    await expect(datastore.image("broken")).rejects.toMatchObject({ code: "bad_volume", message: expect.stringContaining("cut off") as string });
    expect(await readdir(join(folder, ".limnet", "series").concat("/", (await readdir(join(folder, ".limnet", "series")))[0]))).toEqual([]);
  });
});
