import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readState, writeState } from "./state.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-state-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const volume = Uint8Array.from({ length: 1000 }, (_, i) => i % 256);

describe("state files", () => {
  it("come back as they were written and leave nothing beside them", async () => {
    const path = join(folder, "a.gz");
    await writeState(path, new Uint8Array(1000));
    await writeState(path, volume);
    expect(await readdir(folder)).toEqual(["a.gz"]);
    expect([...(await readState(path, 1000))]).toEqual([...volume]);
  });

  it("are refused when missing, cut off, changed or of another size, without naming the path", async () => {
    const path = join(folder, "a.gz");
    await writeState(path, volume);
    const whole = await readFile(path);
    const refused = async (voxels: number) => {
      const error: Error & { code?: string } = await readState(path, voxels).then(() => new Error("it was read"), (e) => e);
      expect(error.code).toBe("engine_failed");
      expect(error.message).not.toContain(folder);
    };
    await refused(999);
    await refused(1001);
    await writeFile(path, whole.subarray(0, whole.length - 9));
    await refused(1000);
    const flipped = Buffer.from(whole);
    flipped[whole.length - 6] ^= 1;
    await writeFile(path, flipped);
    await refused(1000);
    await rm(path);
    await refused(1000);
  });

  it("keep what was there when writing fails", async () => {
    await expect(writeState(join(folder, "none", "a.gz"), volume)).rejects.toMatchObject({ code: "engine_failed" });
    expect(await readdir(folder)).toEqual([]);
  });
});
