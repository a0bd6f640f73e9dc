import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { PNG } from "pngjs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Engine, SegmentJob, SegmentResult } from "../engine/protocol.js";
import { readVolume } from "../imaging/read.js";
import { clicksTo, runNoc } from "./noc.js";
import { nocDocument, nocPage, nocTable, summariseNoc } from "./noc-report.js";

const [rows, cols] = [30, 40];
const inObject = (i: number) => i % cols >= 10 && i % cols < 30 && Math.floor(i / cols) >= 5 && Math.floor(i / cols) < 25;

/** Finds five more columns of the object with every click. */
class ColumnEngine implements Engine {
  readonly jobs: SegmentJob[] = [];
  window: unknown;
  constructor(private readonly step: number) {}
  async start() {}
  async close() {}
  async segment(job: SegmentJob): Promise<SegmentResult> {
    this.jobs.push(job);
    this.window = (await readVolume(job.volumePath)).shape;
    const reach = 10 + this.step * job.rounds[0].clicks.length;
    const mask = Uint8Array.from({ length: rows * cols }, (_, i) => (inObject(i) && i % cols < reach ? 255 : 0));
    await writeFile(job.outputs[0], gzipSync(mask));
    return { model: "abc", rounds: [{ fusedPath: job.outputs[0], slice: 0, clickSeconds: 0, propagateSeconds: 0, fuseSeconds: 0, propagated: 0, slices: [] }] };
  }
}

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-noc-"));
  await mkdir(join(folder, "scratch"));
  const png = (value: (i: number) => number) => {
    const picture = new PNG({ width: cols, height: rows });
    for (let i = 0; i < rows * cols; i++) picture.data.set([value(i), value(i), value(i), 255], 4 * i);
    return PNG.sync.write(picture, { colorType: 0 });
  };
  await writeFile(join(folder, "image.png"), png((i) => i % 250));
  await writeFile(join(folder, "label.png"), png((i) => (inObject(i) ? 3 : i === 0 ? 1 : 0)));
});
afterEach(() => rm(folder, { recursive: true }));

const run = (engine: Engine, image = "image.png") => runNoc(engine, [
  { id: "x", dataset: "set", kind: "image", group: "p", image: join(folder, image), label: join(folder, "label.png") },
], { protocol: "E", axis: "auto", labelValues: "any", jitter: 0, seed: 1 }, join(folder, "scratch"));

describe("protocol E", () => {
  it("clicks a picture until it is good, object by object, and leaves specks alone", async () => {
    const engine = new ColumnEngine(5);
    const { tasks, skipped } = await run(engine);
    expect(skipped).toEqual([]);
    expect(tasks).toHaveLength(1);
    expect(tasks[0]).toMatchObject({ dataset: "set", label: 3, pixels: 400, ious: [0.25, 0.5, 0.75, 1] });
    expect(engine.window).toEqual([cols, rows, 1]);
    expect(engine.jobs.every((job) => !job.settings.propagate && job.settings.window?.[1] === 255)).toBe(true);
    expect(engine.jobs[3].rounds[0].clicks[0]).toEqual({ row: 14, col: 19, positive: true });
  });

  it("counts the limit for what never gets good", async () => {
    const { tasks } = await run(new ColumnEngine(0.1));
    expect(tasks[0].ious).toHaveLength(20);
    expect([clicksTo(0.85, tasks[0].ious), clicksTo(0.85, [0.2, 0.86, 0.7])]).toEqual([20, 2]);
  });

  it("names what it cannot read", async () => {
    await writeFile(join(folder, "text.png"), "no picture");
    expect((await run(new ColumnEngine(5), "text.png")).skipped).toEqual([{ id: "x", reason: expect.stringContaining("neither") }]);
    expect((await run(new ColumnEngine(5), "nowhere.png")).skipped).toHaveLength(1);
  });

  it("reports means by set, the same in table, document and page", async () => {
    const outcome = await run(new ColumnEngine(5));
    const more = { ...outcome, tasks: [...outcome.tasks, { ...outcome.tasks[0], group: "q", ious: Array.from({ length: 20 }, () => 0.87) }] };
    const summary = summariseNoc(more.tasks, 1);
    expect(summary.set.noc["85"]).toMatchObject({ clicks: { mean: 2.5 }, never: 0 });
    expect(summary.set.noc["90"]).toMatchObject({ clicks: { mean: 12 }, never: 1 });
    expect(summary.set.iou[19]).toBeCloseTo((1 + 0.87) / 2);
    expect(nocTable(summary)).toMatch(/^set +2 +2\.50 .* 12\.00 /m);
    const page = nocPage(nocDocument(more, summary, { protocol: "E", axis: "auto", labelValues: "any", jitter: 0, seed: 1 }, {}), "limnet evaluate");
    expect(page).toContain(">12.00</td>");
    expect(page).not.toMatch(/NaN|undefined|<script/);
  });
});
