/** The engine without the server: clicks and propagation, host code and networks together. */
import { join } from "node:path";
import { silentLog } from "../src/datastore/log.js";
import { EngineProcess } from "../src/engine/client.js";
import { modelsFolder } from "../src/engine/models.js";
import type { RoundRequest, SegmentJob } from "../src/engine/protocol.js";
import { type Figure, median } from "./statistics.js";
import { centre } from "./synthetic.js";

const clicks = 20;

interface Scan {
  readonly path: string;
  readonly digest: string;
}

function job(scan: Scan, rounds: readonly RoundRequest[], propagate: boolean, folder: string, before: SegmentJob["state"]): SegmentJob {
  return {
    volumePath: scan.path, volumeDigest: scan.digest, axis: 2, state: before, rounds,
    outputs: rounds.map((_, n) => join(folder, `bench-${before.rounds.length + n}-${propagate}.gz`)),
    settings: { fusion: "network", memory: "permanent", propagate, window: null },
  };
}

const fresh = { fusedPath: null, rounds: [] } as const;
const on = (slice: number, ...offsets: number[]): RoundRequest => ({
  slice, clicks: offsets.map((offset) => ({ row: centre.j + offset, col: centre.i + offset, positive: true })),
});

/** First click on a slice that has no mask yet, on 20 slices, after one to warm up. */
async function clickLatency(engine: EngineProcess, scan: Scan, folder: string): Promise<Figure[]> {
  const inside: number[] = [];
  const whole: number[] = [];
  for (let n = 0; n <= clicks; n++) {
    const start = performance.now();
    const { rounds } = await engine.segment(job(scan, [on(20 + 3 * n, 0)], false, folder, fresh));
    if (n === 0) continue;
    whole.push(performance.now() - start);
    inside.push(1000 * rounds[0].clickSeconds);
  }
  return [
    {
      name: "click on its slice", value: median(inside), unit: "ms", target: { value: 100, kind: "most" },
      note: `network and host code, 256 x 256 slice, first click, median of ${clicks}`,
    },
    { name: "click, job there and back", value: median(whole), unit: "ms", note: "the same with messages and writing the state of 100 slices" },
  ];
}

/** A first pass over the whole scan and one after another click, where what was computed of the images is cached. */
async function propagation(engine: EngineProcess, scan: Scan, folder: string): Promise<Figure[]> {
  const first = job(scan, [on(centre.k, 0)], true, folder, fresh);
  const one = (await engine.segment(first)).rounds[0];
  const state = { fusedPath: one.fusedPath, rounds: first.rounds };
  const two = (await engine.segment(job(scan, [on(centre.k - 20, 8)], true, folder, state))).rounds[0];
  const note = (slices: number) => `256 x 256 region, ${slices} slices`;
  return [
    {
      name: "propagation, first round", value: one.propagated / one.propagateSeconds, unit: "slices/s", target: { value: 25, kind: "least" },
      note: note(one.propagated),
    },
    { name: "propagation, second round", value: two.propagated / two.propagateSeconds, unit: "slices/s", note: `${note(two.propagated)}, cached features` },
    { name: "fusion, second round", value: 1000 * two.fuseSeconds, unit: "ms", note: `${two.slices.filter(({ winner }) => winner !== "user").length} slices differed` },
  ];
}

export async function benchEngine(scan: Scan, folder: string): Promise<Figure[]> {
  const engine = new EngineProcess({ modelsDir: modelsFolder(), logger: silentLog });
  try {
    await engine.start();
    return [...await clickLatency(engine, scan, folder), ...await propagation(engine, scan, folder)];
  } finally {
    await engine.close();
  }
}
