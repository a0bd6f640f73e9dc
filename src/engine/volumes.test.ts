import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Scan, writeScan } from "../../test/engine/scans.js";
import { VolumeStore } from "./volumes.js";

let scan: Scan;
beforeAll(async () => {
  scan = await writeScan(Int16Array.from({ length: 60 }, (_, i) => i), [3, 4, 5]);
});
afterAll(() => scan.remove());

describe("volume store", () => {
  it("reads a volume once per window", async () => {
    const store = new VolumeStore();
    const auto = await store.get(scan.volumePath, "a", null);
    expect(await store.get("gone since", "a", null)).toBe(auto);
    const wide = await store.get(scan.volumePath, "a", [0, 510]);
    expect(wide.grey[59]).toBe(30);
    expect(store.bytes).toBe(120);
  });

  it("lets go of what was unused longest to stay within its budget", async () => {
    const store = new VolumeStore(130);
    const a = await store.get(scan.volumePath, "a", null);
    await store.get(scan.volumePath, "b", null);
    expect(await store.get("", "a", null)).toBe(a);
    await store.get(scan.volumePath, "c", null);
    expect(store.bytes).toBe(120);
    expect(await store.get("", "a", null)).toBe(a);
    await expect(store.get("", "b", null)).rejects.toMatchObject({ code: "not_found" });
  });

  it("refuses with the numbers what alone is beyond the budget, before reading its voxels", async () => {
    await expect(new VolumeStore(59).get(scan.volumePath, "a", null)).rejects.toMatchObject({ code: "out_of_memory", message: expect.stringMatching(/1 MB/) });
  });
});
