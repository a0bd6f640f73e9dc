import { describe, expect, it } from "vitest";
import type { Picture } from "./gallery.js";
import { quoted } from "./html-page.js";
import { pageOf } from "./html-report.js";
import { documentOf, summarise } from "./report.js";
import type { Outcome, Run, TaskResult } from "./run.js";
import { unspoilt } from "./spoil.js";

const rest = { baselines: [], directions: "both", spoil: unspoilt, seed: 1, python: "python3" } as const;
const seconds = { click: 0.1, propagate: 2, fuse: 0.3 };
const run = (...scores: number[]): Run => ({
  rounds: scores.map((dice, n) => ({ slice: n, clicks: [], dice, sliceDice: dice / 2, beyond: 0.1, kept: n, propagated: 9, seconds })), surface: { nsd: 0.5, hd95: null },
});
const task = (id: string, group: string, network: number[], none: number[]): TaskResult => ({
  id, group, label: 3, shape: [4, 4, 4], spacing: [1, 1, 2], axis: 2, voxels: 500, runs: { network: run(...network), none: run(...none) },
});
const evil = "</td><script>alert(\"1\")</script>&";
const tasks = [task("fine", "p1", [0.5, 0.9], [0.5, 0.7]), task(evil, evil, [0.6, 0.4], [0.6, 0.6])];
const plan = { protocol: "A", rounds: 2, fusions: ["network", "none"], axis: evil, labelValues: "each", memory: "permanent", ...rest } as const;

function page(some: TaskResult[], pictures: Picture[] = [], skipped: Outcome["skipped"] = []): string {
  return pageOf(documentOf({ tasks: some, skipped, model: "abc123" }, summarise(some, plan.fusions, 1), plan, { seed: 1, threads: null }), pictures, `limnet ${evil}`);
}

/** Throws unless every element is closed, in order. */
function checkNesting(text: string): void {
  const open: string[] = [];
  for (const [, close, name, self] of text.matchAll(/<(\/?)([a-z][a-z0-9]*)(?:\s[^<>]*?)?(\/?)>/g)) {
    if (["meta", "img", "br"].includes(name) || self) continue;
    if (!close) open.push(name);
    else if (open.pop() !== name) throw new Error(`</${name}> closes something else`);
  }
  if (open.length > 0) throw new Error(`left open: ${open.join(" ")}`);
}

describe("pageOf", () => {
  const picture: Picture = { what: "worst", task: tasks[1], png: Buffer.from("picture"), wrongest: 7 };
  const text = page(tasks, [picture], [{ id: evil, reason: evil }]);

  it("escapes whatever came from outside, closes what it opens, and runs and loads nothing", () => {
    expect(text).not.toContain("<script");
    expect(text.match(/&lt;script&gt;/g)!.length).toBeGreaterThanOrEqual(8);
    expect(() => checkNesting(text)).not.toThrow();
    expect(text.replace(/<[^<>]*>/g, "")).not.toMatch(/[<>]/);
    expect(text).not.toMatch(/&(?!(amp|lt|gt|quot|#39);)/);
    expect([...text.matchAll(/(?:src|href)="([^"]{0,22})/g)].map(([, source]) => source)).toEqual(["data:image/png;base64,"]);
  });

  it("says what the JSON says", () => {
    expect(text).toContain("<td class=\"word\">network</td><td class=\"number\">2</td><td class=\"number\">65.0</td><td class=\"number\">40.0 to 90.0</td>");
    expect(text).toContain("Network fusion less none, last round: 0.0 points");
    expect(text).toContain("Protocol A: a robot plays the user");
    // Every way of the tables is explained, and no other.
    expect([...text.matchAll(/<dt>(\w+)<\/dt>/g)].map(([, word]) => word)).toEqual(["network", "none", "Dice", "HD95"]);
    expect(text).toContain(`base64,${Buffer.from("picture").toString("base64")}`);
    expect(text).toContain("Most wrong pixels: slice 7.");
    for (const made of ["<code>abc123</code>", "permanent", "network, none", "Node.js"]) expect(text).toContain(made);
  });

  it("lists all cases, worst first", () => {
    const cases = text.slice(text.indexOf("All cases, worst first"), text.indexOf("Skipped"));
    expect(cases.indexOf("&lt;/td&gt;")).toBeLessThan(cases.indexOf("fine"));
    expect(cases).toContain("<td class=\"number\">90.0</td><td class=\"number\">50.0</td><td class=\"number\">-</td><td class=\"word free\">50.0 90.0</td>");
    expect(cases).toContain("<td class=\"number\">1.0</td>");
  });

  it("gives no interval for one patient", () => {
    expect(page([tasks[0]])).toContain("With one patient there is no interval to give.");
    expect(page([tasks[0]])).not.toContain("90.0 to 90.0");
  });

  it("survives an evaluation without tasks", () => {
    const empty = page([], [], [{ id: "x", reason: "no label" }]);
    expect(empty).toContain("No case could be used.");
    expect(empty).toContain("no label");
    expect(empty).not.toMatch(/NaN|undefined/);
    expect(() => checkNesting(empty)).not.toThrow();
  });
});

describe("quoted", () => {
  it("can be typed again", () => {
    expect(quoted(["limnet", "--out", "a b", "it's", "", "/x/y.json"])).toBe("limnet --out 'a b' 'it'\\''s' '' /x/y.json");
  });
});
