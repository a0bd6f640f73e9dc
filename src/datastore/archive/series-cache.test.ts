import { mkdtemp, readdir, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fakeSeries } from "../../dicom/seg/testing.js";
import { silentLog } from "../log.js";
import { SeriesCache } from "./series-cache.js";

const source = fakeSeries({ shape: [2, 2, 2] });
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-series-cache-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function open(maxBytes: number, leaseMs = 0): Promise<SeriesCache> {
  const cache = new SeriesCache(folder, { maxBytes, leaseMs, log: silentLog });
  await cache.open();
  return cache;
}

/** A volume of `bytes` in the cache, last used `age` milliseconds ago. */
async function put(cache: SeriesCache, series: string, content: string, bytes: number, age = 0) {
  const loading = await cache.reserve(bytes);
  await writeFile(SeriesCache.volumeIn(loading), Buffer.alloc(bytes));
  const found = await cache.commit(loading, series, content, { digest: "d", source });
  const when = new Date(Date.now() - age);
  await utimes(dirname(found.path), when, when);
  return found;
}

async function held(): Promise<number> {
  const files = await readdir(join(folder, "series"), { recursive: true, withFileTypes: true }).catch(() => []);
  const sizes = await Promise.all(files.filter(({ name }) => name === "volume.nii").map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

describe("the cache of volumes", () => {
  it("stays within its size: what was used last stays", async () => {
    const cache = await open(1000);
    await put(cache, "1.1", "a", 400, 5000);
    await put(cache, "1.2", "b", 400, 3000);
    await cache.find("1.1", "a");
    await put(cache, "1.3", "c", 400);
    expect(await held()).toBeLessThanOrEqual(1000);
    expect([await cache.find("1.1", "a"), await cache.find("1.2", "b"), await cache.find("1.3", "c")].map((found) => found !== null)).toEqual([true, false, true]);
  });

  it("does not open a volume that a power cut has shortened, and the next load takes its place", async () => {
    const cache = await open(1000);
    const { path } = await put(cache, "1.1", "a", 400);
    await truncate(path, 300);
    expect([await cache.find("1.1", "a"), await cache.newest("1.1")]).toEqual([null, null]);
    expect((await stat((await put(cache, "1.1", "a", 400)).path)).size).toBe(400);
  });

  it("removes nothing that somebody may be about to open, and says what to do instead", async () => {
    const cache = await open(1000, 60_000);
    await put(cache, "1.1", "a", 800);
    await expect(cache.reserve(400)).rejects.toMatchObject({ code: "cache_full", message: expect.stringMatching(/--cache-size/) });
    await expect(cache.reserve(4000)).rejects.toThrow(/holds 1 MiB as a whole/);
  });

  it("counts what is on its way, also that of another server on the same folder", async () => {
    const [one, other] = [await open(1000), await open(1000)];
    const loading = await one.reserve(800);
    await expect(other.reserve(400)).rejects.toMatchObject({ code: "cache_full" });
    await one.abandon(loading);
    await other.abandon(await other.reserve(400));
  });

  it("takes the same volume from two servers at once, whole", async () => {
    const [one, other] = [await open(10_000), await open(10_000)];
    const [a, b] = await Promise.all([put(one, "1.1", "a", 500), put(other, "1.1", "a", 500)]);
    expect(a.path).toBe(b.path);
    expect(await held()).toBe(500);
    expect(await readdir(join(folder, "loading"))).toEqual([]);
  });

  it("drops older states of a series, and gives the newest where the archive cannot be asked", async () => {
    const cache = await open(10_000);
    await put(cache, "1.1", "a", 100, 1000);
    await put(cache, "1.1", "b", 100);
    expect(await cache.find("1.1", "a")).toBeNull();
    expect((await cache.newest("1.1"))?.content).toBe("b");
    expect(await cache.find("../..", "a")).toBeNull();
  });
});
