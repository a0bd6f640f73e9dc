import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LabelCache } from "./label-cache.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-labels-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function put(name: string, minutes: number): Promise<void> {
  await writeFile(join(folder, name), Buffer.alloc(100));
  await utimes(join(folder, name), new Date(), new Date(Date.now() - minutes * 60_000));
}

describe("labels that were read from the archive", () => {
  it("stay within their room: those used longest ago go, those that may be in use stay", async () => {
    for (const [name, minutes] of [["a", 50], ["b", 40], ["c", 30], ["d", 1]] as const) await put(name, minutes);
    const cache = new LabelCache(folder, { maxBytes: 250, leaseMs: 600_000 });
    expect(await cache.use(join(folder, "a"))).toBe(true);
    expect(await cache.use(join(folder, "x"))).toBe(false);
    await cache.tidy();
    expect((await readdir(folder)).sort()).toEqual(["a", "d"]);
    await new LabelCache(folder, { maxBytes: 50, leaseMs: 600_000 }).tidy();
    expect((await readdir(folder)).sort()).toEqual(["a", "d"]);
  });

  it("need no folder yet", async () => {
    await new LabelCache(join(folder, "none"), { maxBytes: 1, leaseMs: 0 }).tidy();
  });
});
