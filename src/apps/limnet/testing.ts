/** Stand-ins for tests: networks made of small functions, an engine without networks. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import type { Engine, MaskMade, Progress, RoundResult, SegmentJob, SegmentResult, SliceChange, SliceDecision } from "../../engine/protocol.js";
import { writeMaskBits } from "../../engine/mask-bits.js";
import { writeState } from "../../engine/state.js";
import { LimnetError } from "../../errors.js";
import type { Shape } from "../../imaging/geometry.js";
import { pixelToVoxel, readSlice, writeSlice } from "../../imaging/slices.js";
import type { GraphName, Networks, NetworkSettings, Tensor } from "./networks.js";

export const testSettings: NetworkSettings = {
  click: {
    size: 32, diskRadius: 3, geodesic: [{ weight: 10, scale: 8 }, { weight: 40, scale: 8 }],
    zoom: { expansion: 1.5, minSide: 16, keepOverlap: 0.5, first: "whole" },
  },
  propagation: {
    sizes: [32], stride: 8, keyDim: 64, valueDim: 16, memoryEvery: 5, topK: 30, presenceThreshold: 0.5,
    region: { expansion: 1.75, minSide: 32 }, stopAfter: 3,
  },
  quality: { size: 16, expansion: 1.5, minSide: 8, threshold: 0.5 },
};

export type Graph = (feeds: Readonly<Record<string, Tensor>>) => Record<string, Tensor>;

/** Networks out of functions; remembers what each call was fed. Settings of `click.zoom` may be replaced. */
export function fakeNetworks(graphs: Partial<Record<GraphName, Graph>>, zoom: Partial<NetworkSettings["click"]["zoom"]> = {}) {
  const calls: { graph: GraphName; feeds: Readonly<Record<string, Tensor>> }[] = [];
  const click = { ...testSettings.click, zoom: { ...testSettings.click.zoom, ...zoom } };
  const networks: Networks = {
    settings: { ...testSettings, click },
    async run(graph, feeds) {
      calls.push({ graph, feeds });
      const run = graphs[graph];
      if (!run) throw new Error(`no ${graph} in this test`);
      return run(feeds);
    },
  };
  return { networks, calls };
}

/**
 * An engine without networks. Its result depends on the state it starts from and on every click, so that a wrong base or
 * order shows: voxel n holds byte n of a running digest; then the clicked voxels obey.
 */
export class FakeEngine implements Engine {
  readonly jobs: SegmentJob[] = [];
  model = "model-1";
  /** Thrown by the next jobs, one each; null lets one through. */
  readonly failures: (Error | null)[] = [];
  /** Awaited before the results are written. */
  before: (job: SegmentJob) => Promise<void> = async () => {};
  /** Awaited when the mask is there and the state is not. */
  after: (job: SegmentJob) => Promise<void> = async () => {};

  constructor(readonly shape: Shape) {}

  async start(): Promise<void> {}
  async close(): Promise<void> {}

  async segment(job: SegmentJob, options: { signal?: AbortSignal; onProgress?: (progress: Progress) => void } = {}): Promise<SegmentResult> {
    this.jobs.push(job);
    await this.before(job);
    if (options.signal?.aborted) throw new LimnetError("engine_cancelled", "Cancelled.");
    const { shape } = this;
    const { fusedPath } = job.state;
    let state = fusedPath === null ? Buffer.alloc(shape[0] * shape[1] * shape[2]) : gunzipSync(await readFile(fusedPath));
    const rounds: RoundResult[] = [];
    for (const [n, round] of job.rounds.entries()) {
      const before = state;
      const digest = createHash("sha256").update(state).update(JSON.stringify([round, job.axis, job.settings])).digest();
      state = Buffer.from(state.map((_, i) => digest[i % 32]));
      for (const { row, col, positive } of round.clicks) {
        const [i, j, k] = pixelToVoxel(round.slice, { row, col }, job.axis);
        state[i + shape[0] * (j + shape[1] * k)] = positive ? 255 : 0;
      }
      for (const slice of job.held ?? []) writeSlice(state, shape, job.axis, slice, readSlice(before, shape, job.axis, slice));
      const change: SliceChange | undefined = job.changes ? { box: null, bits: "" } : undefined;
      options.onProgress?.({ stage: "propagate", round: n, slice: round.slice, done: 1, total: shape[job.axis], change });
      const mask = job.masks ? await writeMaskBits(job.outputs[n], state) : null;
      const failure = this.failures.shift();
      if (failure) throw failure;
      const made: MaskMade["round"] = {
        slice: round.slice, ...(mask !== null && { mask }),
        slices: [...(job.held ?? []).map((index): SliceDecision => ({ index, winner: "locked", probability: 1 })), { index: round.slice, winner: "user", probability: 1 }],
        clickSeconds: 0.1, propagateSeconds: 0.2, fuseSeconds: 0.3, propagated: 4,
      };
      options.onProgress?.({ stage: "write", round: n, ...(mask !== null && { made: { round: made, model: this.model } }) });
      await this.after(job);
      rounds.push({ fusedPath: job.outputs[n], digest: await writeState(job.outputs[n], state), ...made });
    }
    return { rounds, model: this.model };
  }
}
