import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silentLog } from "../datastore/log.js";
import { SessionStore } from "./sessions.js";

let folder: string;
let store: SessionStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-sessions-"));
  store = new SessionStore(join(folder, "sessions"), { longest: 3600, most: 1000 }, silentLog);
});
afterEach(async () => {
  store.close();
  await rm(folder, { recursive: true, force: true });
});

async function upload(n: number): Promise<{ path: string; ext: string }> {
  const path = join(folder, `upload-${n}.nii`);
  await writeFile(path, `voxels ${n}`);
  return { path, ext: ".nii" };
}

describe("a session", () => {
  it("is there for everyone who asks while others use it, and no sweep takes it away", async () => {
    const { name } = await store.create({ volume: await upload(0), series: [] }, 0, "anna");
    const looks = Array.from({ length: 1500 }, (_, n) => (n % 20 === 0 ? store.sweep().then(() => true) : store.get(name, "anna", n % 2 === 0)));
    expect((await Promise.all(looks)).filter((found) => found === null)).toEqual([]);
    expect(await store.image(name, "anna")).toMatchObject({ ext: ".nii" });
  });

  it("that is being made is not swept away as one without a name", async () => {
    const made = Array.from({ length: 30 }, async (_, n) => {
      const { name } = await store.create({ volume: await upload(n), series: [] }, 0, "anna");
      return store.get(name, "anna");
    });
    const sweeps = Array.from({ length: 60 }, async (_, n) => {
      await new Promise((resolve) => setTimeout(resolve, n));
      await store.sweep();
    });
    expect((await Promise.all(made)).filter((found) => found === null)).toEqual([]);
    await Promise.all(sweeps);
    expect(await store.count()).toBe(30);
  });

  it("that somebody ends while it is asked for is not found, which is no failure", async () => {
    for (let n = 0; n < 20; n++) {
      const { name } = await store.create({ volume: await upload(n), series: [] }, 0, "anna");
      const [image] = await Promise.all([store.image(name, "anna"), store.remove(name, "anna")]);
      if (image !== null) expect(image.ext).toBe(".nii");
      expect(await store.image(name, "anna")).toBeNull();
    }
    expect(await readdir(join(folder, "sessions"))).toEqual([]);
  });
});
