/** What protocol E found, by data set: a table, the JSON document, an HTML page with the curve of every set. */
import { bootstrap, type Estimate, mean } from "./bootstrap.js";
import { curveSvg } from "./curve.js";
import { html } from "./html.js";
import { pageAround, tableHtml } from "./html-page.js";
import { clickLimit, clicksTo, goals, type NocOutcome, type NocPlan, type SliceTask } from "./noc.js";
import { machineOf } from "./report.js";
import { table } from "./table.js";

export interface SetSummary {
  readonly slices: number;
  /** By goal, as "85" and "90": mean number of clicks, and slices that never reach it. */
  readonly noc: Readonly<Record<string, { readonly clicks: Estimate; readonly never: number }>>;
  /** Mean IoU after 1 … limit clicks; a slice that is done keeps its last value. */
  readonly iou: readonly number[];
}

export type NocSummary = Readonly<Record<string, SetSummary>>;

const nameOf = (goal: number) => String(Math.round(100 * goal));

/** Means by data set; the slices of one patient are drawn together. */
export function summariseNoc(tasks: readonly SliceTask[], seed: number): NocSummary {
  const sets = [...new Set(tasks.map(({ dataset }) => dataset))].sort();
  return Object.fromEntries(sets.map((set) => {
    const own = tasks.filter(({ dataset }) => dataset === set);
    const noc = Object.fromEntries(goals.map((goal) => [nameOf(goal), {
      clicks: bootstrap(own.map(({ ious }) => clicksTo(goal, ious)), seed, own.map(({ group }) => group)),
      never: own.filter(({ ious }) => !ious.some((value) => value >= goal)).length,
    }]));
    const iou = Array.from({ length: clickLimit }, (_, n) => mean(own.map(({ ious }) => ious[Math.min(n, ious.length - 1)])));
    return [set || "scans", { slices: own.length, noc, iou }];
  }));
}

const shownIous = [1, 2, 3, 5, 10, 20];

function rowsOf(summary: NocSummary): string[][] {
  return Object.entries(summary).map(([set, { slices, noc, iou }]) => [
    set, String(slices),
    ...Object.values(noc).flatMap(({ clicks, never }) => [clicks.mean.toFixed(2), `${clicks.low.toFixed(1)} to ${clicks.high.toFixed(1)}`, String(never)]),
    ...shownIous.map((n) => (100 * iou[n - 1]).toFixed(1)),
  ]);
}

const head = [
  "set", "slices", ...goals.flatMap((goal) => [`NoC@${nameOf(goal)}`, "95 % interval", "never"]), ...shownIous.map((n) => `IoU % after ${n}`),
];

export function nocTable(summary: NocSummary): string {
  return table(head, rowsOf(summary));
}

export function nocDocument(outcome: NocOutcome, summary: NocSummary, plan: NocPlan, settings: Record<string, unknown>) {
  return {
    version: 1 as const, created: new Date().toISOString(), model: outcome.model, settings: { ...plan, ...settings }, machine: machineOf(),
    summary, tasks: outcome.tasks, skipped: outcome.skipped,
  };
}

export type NocDocument = ReturnType<typeof nocDocument>;

/** The whole page. */
export function nocPage(document: NocDocument, commandLine: string): string {
  const { summary, tasks, skipped } = document;
  const columns = head.map((title, n) => ({ title, ...(n === 0 && { kind: "word" as const }) }));
  const ways = Object.fromEntries(Object.entries(summary).map(([name, { iou }]) => [name, { rounds: iou.map((value) => ({ dice: { mean: value, low: value, high: value } })) }]));
  const slow = [...tasks].sort((a, b) => clicksTo(0.85, b.ious) - clicksTo(0.85, a.ious) || Math.max(...a.ious) - Math.max(...b.ious));
  return pageAround("limnet evaluation: clicks a slice needs (protocol E)", html`
<p>A robot user clicks the innermost pixel of the largest error of a slice until its IoU is ${Math.round(100 * Math.max(...goals))} %, at most ${clickLimit} times.
A slice that never gets there counts ${clickLimit}.</p>
<h2>By data set</h2>
${tableHtml(columns, rowsOf(summary))}
<h2>Mean IoU after each click</h2>
${curveSvg({ ways }, { whiskers: false, across: "click", up: "mean IoU %" })}
<h2>All slices, the hardest first</h2>
${tableHtml([{ title: "slice", kind: "word" }, { title: "object", kind: "word" }, { title: "pixels" }, { title: "clicks to 85 %" }, { title: "IoU % after each click", kind: "word free" }],
    slow.map(({ id, label, slice, pixels, ious }) =>
      [`${id}, ${slice}`, String(label), pixels, clicksTo(0.85, ious), ious.map((value) => (100 * value).toFixed(0)).join(" ")]))}`, { ...document, skipped }, commandLine);
}
