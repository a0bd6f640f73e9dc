import { afterEach, beforeEach, expect, test } from "vitest";
import type { LimnetApp } from "./app.js";
import { TestBench } from "./testing-app.js";

let bench: TestBench;
let app: LimnetApp;
beforeEach(async () => {
  bench = await TestBench.make();
  app = bench.reopen({ labels: ["tumour", "liver"], aliases: ["deepgrow_3d", "deepgrow_2d", "sam_2d", "deepedit"] });
});
afterEach(() => bench.close());

const [a, b, c, d] = [[1, 1, 2], [2, 3, 2], [3, 3, 5], [4, 4, 6]];
const at = (mask: number[] | null, [i, j, k]: number[]) => mask![i + 6 * (j + 7 * k)];
const ask = (model: string, params: Record<string, unknown>) => bench.ask(params, { model, to: app });

test("work under another name is the same work", async () => {
  const own = await ask("limnet", { foreground: [a], label: "tumour" });
  const same = await ask("deepgrow_3d", { foreground: [a], label: "tumour", roi: [0, 3, 0, 3, 0, 3], reset_state: true });
  expect(same.mask).toEqual(own.mask);
  expect(bench.engine.jobs).toHaveLength(1);
  await ask("sam_2d", { foreground: [a], label: "tumour", slice: 2 });
  expect(bench.engine.jobs.at(-1)!.settings.propagate).toBe(false);
});

test("points with fractions are rounded", async () => {
  await ask("deepgrow_3d", { foreground: [[1.2, 0.9, 2]] });
  expect(bench.engine.jobs[0].rounds[0].clicks).toEqual([{ row: 1, col: 1, positive: true }]);
});

test("deepedit: a list of points per label, one mask with the value of each", async () => {
  const { mask, json } = await ask("deepedit", { tumour: [a], liver: [c], background: [], label: "liver" });
  expect([at(mask, a), at(mask, c)]).toEqual([1, 2]);
  expect(json.label_names).toEqual({ tumour: 1, liver: 2, background: 0 });
  expect([...new Set(mask)].filter((value) => value > 2)).toEqual([]);
});

test("deepedit: a label that is not in hand is not computed again, and keeps its background points", async () => {
  await ask("deepedit", { tumour: [a], background: [b], label: "tumour" });
  await ask("deepedit", { tumour: [a], liver: [c], background: [b], label: "liver" });
  expect(bench.engine.jobs).toHaveLength(2);
  const { mask } = await ask("deepedit", { tumour: [a], liver: [c], background: [b, d], label: "liver" });
  expect(bench.engine.jobs).toHaveLength(3);
  expect(bench.engine.jobs[2].rounds[0].clicks).toEqual([{ row: 4, col: 4, positive: false }]);
  const tumour = await ask("limnet", { foreground: [a], background: [b], label: "tumour" });
  expect(bench.engine.jobs).toHaveLength(3);
  const seen = mask!.map((value) => (value === 1 ? 1 : 0));
  expect(seen).toEqual(tumour.mask!.map((value, n) => (value && mask![n] !== 2 ? 1 : 0)));
});

test("deepedit: without points the mask is empty, and foreground counts for the label in hand", async () => {
  const none = await ask("deepedit", {});
  expect(none.mask!.every((value) => value === 0)).toBe(true);
  const { mask } = await ask("deepedit", { foreground: [c], label: "liver" });
  expect(at(mask, c)).toBe(2);
});
