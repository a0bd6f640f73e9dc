import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Engine, SegmentJob, SegmentResult } from "../engine/protocol.js";
import { EngineInteract } from "./engine-interact.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-interact-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** Writes 200 into as many voxels as there are clicks. */
class CountingEngine implements Engine {
  readonly jobs: SegmentJob[] = [];
  async start() {}
  async close() {}
  async segment(job: SegmentJob): Promise<SegmentResult> {
    this.jobs.push(job);
    const all = [...job.state.rounds];
    const rounds = [];
    for (const [n, round] of job.rounds.entries()) {
      all.push(round);
      const count = all.reduce((sum, { clicks }) => sum + clicks.length, 0);
      await writeFile(job.outputs[n], gzipSync(new Uint8Array(12).fill(200, 0, count).fill(127, count)));
      rounds.push({
        fusedPath: job.outputs[n], slice: round.slice, clickSeconds: 1, propagateSeconds: 2, fuseSeconds: 3, propagated: 4,
        slices: [{ index: 0, winner: "previous" as const, probability: 0.9 }, { index: 1, winner: "user" as const, probability: 1 }],
      });
    }
    return { rounds, model: "abc" };
  }
}

const settings = { fusion: "network", memory: "permanent", propagate: true, window: null } as const;
const click = (slice: number, row: number, positive = true) => ({ slice, row, col: 1, positive });

describe("EngineInteract", () => {
  it("goes on from the state before, and redoes a round that gets another click", async () => {
    const engine = new CountingEngine();
    const user = new EngineInteract(engine, { volumePath: "v", volumeDigest: "d", axis: 1, shape: [2, 3, 2], settings, folder });
    const one = click(3, 5);
    const first = await user.segment([one], { propagate: true });
    expect([...first.mask].filter(Boolean)).toHaveLength(1);
    expect(first).toMatchObject({ kept: 1, propagated: 4, seconds: { click: 1, propagate: 2, fuse: 3 } });
    await user.segment([one, click(7, 2)], { propagate: true });
    const third = await user.segment([one, click(7, 2), click(7, 4, false)], { propagate: true });
    expect([...third.mask].filter(Boolean)).toHaveLength(3);
    expect(engine.jobs.map((job) => [job.state.rounds.length, job.rounds.map(({ clicks }) => clicks.length)])).toEqual([[0, [1]], [1, [1]], [1, [2]]]);
    expect(engine.jobs[2].state.fusedPath).toBe(engine.jobs[0].outputs[0]);
    expect(engine.jobs[2].rounds).toEqual([{ slice: 7, clicks: [{ row: 2, col: 1, positive: true }, { row: 4, col: 1, positive: false }] }]);
    expect(user.model).toBe("abc");
  });

  it("looks at a slice without keeping the state", async () => {
    const engine = new CountingEngine();
    const user = new EngineInteract(engine, { volumePath: "v", volumeDigest: "d", axis: 2, shape: [2, 3, 2], settings, folder });
    await user.segment([click(3, 5)], { propagate: false });
    await user.segment([click(3, 5)], { propagate: true });
    expect(engine.jobs.map((job) => [job.state.rounds.length, job.settings.propagate])).toEqual([[0, false], [0, true]]);
    expect(new Set(engine.jobs.map((job) => job.outputs[0])).size).toBe(2);
  });
});
