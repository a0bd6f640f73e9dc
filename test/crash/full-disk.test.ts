/** A disk that is really full: a small file system in memory as state folder. Needs the right to mount (root); said where it is missing. */
import { spawnSync } from "node:child_process";
import { link, mkdir, mkdtemp, readFile, rm, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { TestBench } from "../../src/apps/limnet/testing-app.js";
import { FolderDatastore } from "../../src/datastore/folder.js";
import { readState, writeState } from "../../src/engine/state.js";

let folder: string;
let mounted = false;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-full-"));
  mounted = process.platform === "linux" && spawnSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", folder]).status === 0;
  if (!mounted) console.warn("No file system could be mounted here: the test of a full disk is left out.");
});
afterAll(async () => {
  if (mounted) spawnSync("umount", [folder]);
  await rm(folder, { recursive: true, force: true });
});

/** Leaves no room at all. */
async function fill(): Promise<string> {
  const path = join(folder, "ballast");
  const { bavail, bsize } = await statfs(folder);
  await writeFile(path, Buffer.alloc(bavail * bsize, 1));
  return path;
}

it("a full disk is a 507 with a sentence, nothing of before is lost, and it works again when there is room", async ({ skip }) => {
  if (!mounted) skip();
  const bench = await TestBench.make(join(folder, "state"));
  try {
    const [a, c] = [[1, 1, 2], [3, 3, 5]];
    const one = await bench.ask({ foreground: [a] });
    const ballast = await fill();
    await expect(bench.ask({ foreground: [a, c] })).rejects.toMatchObject({ status: 507, message: expect.stringMatching(/disk .*full.*free some space/i) });
    await rm(ballast);
    expect((await bench.ask({ foreground: [a] }, { to: bench.reopen() })).mask).toEqual(one.mask);
    expect(bench.engine.jobs.length).toBeLessThanOrEqual(2);
    expect((await bench.ask({ foreground: [a, c] })).own).toMatchObject({ round: 2, undo: 2 });
  } finally {
    await bench.close();
  }
});

it("a full disk keeps nobody from looking: a scan that came with it is listed, and the index is written when there is room", async ({ skip }) => {
  if (!mounted) skip();
  const studies = join(folder, "studies");
  await mkdir(studies);
  await writeFile(join(studies, "a.nii"), "voxels");
  const store = new FolderDatastore(studies);
  await store.start();
  const ballast = await fill();
  await link(join(studies, "a.nii"), join(studies, "b.nii"));
  expect(await store.listImages()).toEqual(["a", "b"]);
  await expect(store.updateImageInfo("a", { note: "x" })).rejects.toMatchObject({ code: "ENOSPC" });
  await rm(ballast);
  expect(await store.listImages()).toEqual(["a", "b"]);
  await store.updateImageInfo("b", { note: "y" });
  await store.close();
  const written = JSON.parse(await readFile(join(studies, "datastore_v2.json"), "utf8")) as { objects: Record<string, { image: { info: object } }> };
  expect(Object.keys(written.objects)).toEqual(["a", "b"]);
  expect(written.objects.b!.image.info).toMatchObject({ note: "y" });
});

it("a result that has no room is said to have none, and the one of before stays", async ({ skip }) => {
  if (!mounted) skip();
  const path = join(folder, "state.gz");
  const before = Uint8Array.from({ length: 1000 }, (_, n) => n);
  await writeState(path, before);
  const ballast = await fill();
  const noise = Uint8Array.from({ length: 100_000 }, () => Math.floor(Math.random() * 256));
  await expect(writeState(path, noise)).rejects.toMatchObject({ code: "disk_full", status: 507 });
  expect(Uint8Array.from(await readState(path, 1000))).toEqual(before);
  await rm(ballast);
  await writeState(path, noise);
  expect(Uint8Array.from(await readState(path, 100_000))).toEqual(noise);
});
