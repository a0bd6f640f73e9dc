import { describe, expect, it } from "vitest";
import { documentOf, summarise, tableOf } from "./report.js";
import type { Run, TaskResult } from "./run.js";
import { unspoilt } from "./spoil.js";
import { table } from "./table.js";

const rest = { baselines: [], directions: "both", spoil: unspoilt, seed: 1, python: "python3" } as const;
const seconds = { click: 0.1, propagate: 2, fuse: 0.3 };
const run = (...scores: number[]): Run => ({
  rounds: scores.map((dice, n) => ({ slice: n, clicks: [{ slice: n, row: 1, col: 1, positive: true }], dice, sliceDice: dice / 2, beyond: 0.1, kept: n, propagated: 9, seconds })),
  surface: { nsd: 0.5, hd95: scores[0] > 0 ? 4 : null },
});
const task = (id: string, group: string, network: number[], none: number[]): TaskResult => ({
  id, group, label: "any", shape: [4, 4, 4], spacing: [1, 1, 2], axis: 2, voxels: 9, runs: { network: run(...network), none: run(...none) },
});
const tasks = [task("a_ct", "a", [0.5, 0.9], [0.5, 0.7]), task("a_mr", "a", [0.6, 0.8], [0.6, 0.6]), task("b", "b", [0, 0.7], [0, 0.4])];

describe("summarise", () => {
  it("gives means per round and kind of fusion, and what fusion gains", () => {
    const { ways, gain } = summarise(tasks, ["network", "none"], 1);
    expect(ways.network!.rounds.map(({ dice }) => dice.mean)).toEqual([expect.closeTo(1.1 / 3), expect.closeTo(0.8)]);
    expect(ways.network!.rounds[1]).toMatchObject({ kept: 1, clicks: 1, propagated: 9, seconds: { propagate: 2 } });
    expect(ways.network!.areaUnderCurve.mean).toBeCloseTo((0.7 + 0.7 + 0.35) / 3);
    expect(ways.network!.hd95).toBe(4);
    expect(gain!.mean).toBeCloseTo(0.7 / 3);
    expect(gain!.low).toBeGreaterThan(0.19);
  });

  it("survives an evaluation without tasks", () => {
    const summary = summarise([], ["network"], 1);
    expect(summary).toEqual({ tasks: 0, ways: {}, gain: null });
    expect(tableOf(summary)).toContain("0 tasks");
  });
});

describe("the printed table and the document", () => {
  it("hold the same numbers, and the document what they were made with", () => {
    const summary = summarise(tasks, ["network", "none"], 1);
    const text = tableOf(summary);
    expect(text).toMatch(/^network +2 +80\.0 /m);
    expect(text).toContain("network less none, last round: 23.3 points");
    const plan = { protocol: "A", rounds: 2, fusions: ["network", "none"], axis: "auto", labelValues: "any", memory: "permanent", ...rest } as const;
    const document = JSON.parse(JSON.stringify(documentOf({ tasks, skipped: [], model: "abc" }, summary, plan, { seed: 1 })));
    expect(document).toMatchObject({ version: 1, model: "abc", settings: { protocol: "A", seed: 1 }, machine: { cores: expect.any(Number) } });
    expect(document.tasks).toHaveLength(3);
  });
});

describe("table", () => {
  it("puts words to the left and numbers to the right", () => {
    expect(table(["what", "n"], [["one", "1"], ["ten", "10.5"]])).toBe("what     n\n----  ----\none      1\nten   10.5");
  });

  it("prints a head without rows", () => {
    expect(table(["a"], [])).toBe("a\n-");
  });
});
