import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Shape } from "../imaging/geometry.js";
import { readVolume } from "../imaging/read.js";
import { CaseError } from "./cases.js";
import type { Round } from "./protocol.js";
import { RoundMasks } from "./round-masks.js";

const shape: Shape = [4, 3, 2];
const geometry = { affine: [-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0] } as const;
const round = (filled: number, slice: number | null): Round => ({
  slice, clicks: [], mask: new Uint8Array(24).fill(1, 0, filled), dice: filled / 24, sliceDice: 0, beyond: 0, kept: 0, propagated: 0, seconds: { click: 0, propagate: 0, fuse: 0 },
});

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-rounds-"));
});
afterEach(() => rm(folder, { recursive: true }));

describe("masks after each round", () => {
  it("are written on the grid of the scan, with what they were made of", async () => {
    const masks = await RoundMasks.in(join(folder, "new", "masks"), "/scans/index.json");
    await masks.write({ id: "sts/001 CT", label: "any", way: "network", axis: 2 }, [round(5, 1), round(7, null)], shape, geometry);
    await masks.write({ id: "sts/002", label: 3, way: "network", axis: 1 }, [round(9, 0)], shape, geometry);
    const { index, rounds } = JSON.parse(await readFile(join(folder, "new", "masks", "rounds.json"), "utf8"));
    expect(index).toBe("/scans/index.json");
    expect(rounds).toEqual([
      { id: "sts/001 CT", label: "any", way: "network", axis: 2, round: 1, slice: 1, dice: 5 / 24, mask: "sts_001_CT_any_network_1.nii.gz" },
      { id: "sts/001 CT", label: "any", way: "network", axis: 2, round: 2, slice: null, dice: 7 / 24, mask: "sts_001_CT_any_network_2.nii.gz" },
      { id: "sts/002", label: 3, way: "network", axis: 1, round: 1, slice: 0, dice: 9 / 24, mask: "sts_002_3_network_1.nii.gz" },
    ]);
    const { voxels, shape: read } = await readVolume(join(folder, "new", "masks", "sts_001_CT_any_network_2.nii.gz"));
    expect(read).toEqual(shape);
    expect(Array.from(voxels)).toEqual(Array.from({ length: 24 }, (_, at) => (at < 7 ? 1 : 0)));
  });

  it("say at once where their folder cannot be made", async () => {
    await writeFile(join(folder, "file"), "");
    await expect(RoundMasks.in(join(folder, "file", "masks"), null)).rejects.toThrow(CaseError);
  });
});
