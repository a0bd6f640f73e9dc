import { describe, expect, it } from "vitest";
import { curvesOf, curveSvg } from "./curve.js";
import type { WaySummary, Summary } from "./report.js";

const seconds = { click: 0, propagate: 0, fuse: 0 };
const fusion = (...means: number[]): WaySummary => ({
  rounds: means.map((mean) => ({ dice: { mean, low: mean - 0.04, high: mean + 0.05 }, sliceDice: 0, beyond: 0, clicks: 1, kept: 0, propagated: 0, seconds })),
  areaUnderCurve: { mean: 0, low: 0, high: 0 }, nsd: 0, hd95: null,
});
const summary = (ways: Summary["ways"]): Summary => ({ tasks: 1, ways, gain: null });

describe("curvesOf", () => {
  it("puts rounds at equal steps, and Dice between the floor and 1", () => {
    const { floor, rounds, lines } = curvesOf(summary({ network: fusion(0.5, 0.7, 0.9), none: fusion(0.5, 0.6, 0.7) }));
    expect([floor, rounds]).toEqual([0.4, 3]);
    expect(lines.network!.map(({ x }) => x)).toEqual([72, 376, 680]);
    // The plot reaches from y = 292 (Dice 0.4) to y = 16 (Dice 1).
    expect(lines.network!.map(({ y }) => y)).toEqual([292 - 276 / 6, 292 - 276 / 2, 292 - (276 * 5) / 6].map((y) => expect.closeTo(y, 6)));
    expect(lines.none![2].y).toBeCloseTo(154, 6);
    expect(lines.none![2].yLow).toBeCloseTo(154 + (276 * 0.04) / 0.6, 6);
    expect(lines.none![2].yHigh).toBeCloseTo(154 - (276 * 0.05) / 0.6, 6);
  });

  it("survives one round, Dice of 0 and of 1, and nothing at all", () => {
    expect(curvesOf(summary({ none: fusion(0.01) }))).toMatchObject({ floor: 0, lines: { none: [{ x: 376 }] } });
    expect(curvesOf(summary({ none: fusion(1.04) }))).toMatchObject({ floor: 0.9 });
    expect(curveSvg(summary({}), { whiskers: true }).text).not.toMatch(/NaN|Infinity/);
  });
});

describe("curveSvg", () => {
  it("draws a line a fusion through its points", () => {
    const { text } = curveSvg(summary({ network: fusion(0.5, 0.7), none: fusion(0.5, 0.6) }), { whiskers: true });
    expect([...text.matchAll(/<polyline [^>]*points="([^"]+)"/g)].map(([, points]) => points)).toEqual(["72.0,246.0 680.0,154.0", "72.0,246.0 680.0,200.0"]);
    expect([...text.matchAll(/<circle/g)]).toHaveLength(4);
    expect(text).toContain(">network</text>");
  });
});
