import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Engine, SegmentJob, SegmentResult } from "../engine/protocol.js";
import type { Shape } from "../imaging/geometry.js";
import { encodeMask } from "../imaging/mask.js";
import { MaskFiles } from "./gallery.js";
import { RoundMasks } from "./round-masks.js";
import { type Kept, runCases, type TaskResult } from "./run.js";
import { unspoilt } from "./spoil.js";

const shape: Shape = [8, 8, 4];
const geometry = { affine: [-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0] } as const;
const truth = Uint8Array.from({ length: 256 }, (_, at) => (at >= 64 && at < 160 ? 1 : 0));

/** After n rounds, the first 32 * n voxels from voxel 64 on. Clicks on one slice, one after the other, are one round. */
class GrowingEngine implements Engine {
  async start() {}
  async close() {}
  async segment(job: SegmentJob): Promise<SegmentResult> {
    for (const [n, path] of job.outputs.entries()) {
      const end = 64 + 32 * (job.state.rounds.length + n + 1);
      await writeFile(path, gzipSync(new Uint8Array(256).fill(255, 64, end)));
    }
    const rounds = job.rounds.map(({ slice }, n) => ({ fusedPath: job.outputs[n], slice, clickSeconds: 0, propagateSeconds: 0, fuseSeconds: 0, propagated: 0, slices: [] }));
    return { rounds, model: "abc" };
  }
}

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-run-"));
  await mkdir(join(folder, "scratch"));
  await encodeMask(truth, shape, geometry, ".nii.gz", join(folder, "a.nii.gz"));
});
afterEach(() => rm(folder, { recursive: true }));

describe("runCases", () => {
  const run = (onTask: (task: TaskResult, kept: Kept | undefined) => void, masks?: MaskFiles, roundMasks?: RoundMasks) => {
    const path = join(folder, "a.nii.gz");
    const plan = { protocol: "A", rounds: 2, fusions: ["network", "none"], axis: "2", labelValues: "any", memory: "permanent", baselines: [], directions: "both", spoil: unspoilt, seed: 1, python: "python3" } as const;
    return runCases(new GrowingEngine(), [{ id: "a", dataset: "", kind: "volume", group: "a", image: path, label: path }], plan, join(folder, "scratch"), onTask, masks && ((mask) => masks.keep(mask)), roundMasks);
  };

  it("keeps outline and last masks where it is asked to, apart from the numbers", async () => {
    const seen: [TaskResult, Kept | undefined][] = [];
    const outcome = await run((...all) => seen.push(all), new MaskFiles(join(folder, "scratch")));
    expect(outcome).toMatchObject({ model: "abc", skipped: [] });
    expect(outcome.tasks[0].runs.none!.rounds.map(({ dice }) => dice)).toEqual([expect.closeTo(0.5), expect.closeTo(0.5)]);
    expect(JSON.stringify(outcome)).not.toContain("mask");
    const [[task, kept]] = seen;
    expect(task).toBe(outcome.tasks[0]);
    expect(await MaskFiles.read(kept!.truth)).toEqual(truth);
    expect(Object.keys(kept!.masks)).toEqual(["network", "none"]);
    expect(await MaskFiles.read(kept!.masks.none!)).toEqual(new Uint8Array(256).fill(1, 64, 96));
  });

  it("writes the mask after each round of each way where it is asked to", async () => {
    await run(() => {}, undefined, await RoundMasks.in(join(folder, "masks"), null));
    expect((await readdir(join(folder, "masks"))).sort()).toEqual([
      "a_any_network_1.nii.gz", "a_any_network_2.nii.gz", "a_any_none_1.nii.gz", "a_any_none_2.nii.gz", "rounds.json",
    ]);
  });

  it("keeps nothing otherwise", async () => {
    let files: Kept | undefined | null = null;
    await run((_, kept) => {
      files = kept;
    });
    expect(files).toBeUndefined();
    expect(await readdir(join(folder, "scratch"))).toEqual([]);
  });
});
