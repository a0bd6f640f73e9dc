/** An evaluation as one HTML file that needs nothing else: tables, the curve, pictures of the worst, the median and the best case. */
import type { FusionKind } from "../engine/protocol.js";
import type { Estimate } from "./bootstrap.js";
import { curveSvg } from "./curve.js";
import { byDice, type Picture } from "./gallery.js";
import { type Content, html, type Markup } from "./html.js";
import type { FusionSummary, ReportDocument } from "./report.js";
import type { TaskResult } from "./run.js";

const style = html`
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, sans-serif; color: #222; background: #fff; max-width: 1240px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin: 1.8em 0 .5em; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2em .7em; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }
th { border-bottom-color: #888; text-align: right; vertical-align: bottom; }
th.word, td.word { text-align: left; }
td.free { white-space: normal; overflow-wrap: anywhere; }
code { font-size: .92em; overflow-wrap: anywhere; }
figure { margin: 1em 0 2em; } figure img { max-width: 100%; height: auto; display: block; } figcaption { margin-bottom: .4em; }
svg { max-width: 100%; height: auto; font: 12px system-ui, sans-serif; } svg text { fill: #444; }
svg .grid { stroke: #e2e2e2; } svg .whisker { stroke-opacity: .45; stroke-width: 2; }
.quiet { color: #666; }`;

interface Column {
  readonly title: string;
  /** Words stand to the left, numbers to the right; free text may be broken. */
  readonly kind?: "word" | "word free";
}

function tableHtml(columns: readonly Column[], rows: readonly (readonly Content[])[]): Markup {
  const kind = (n: number) => columns[n].kind ?? "number";
  return html`<div class="wide"><table>
<thead><tr>${columns.map(({ title }, n) => html`<th scope="col" class="${kind(n)}">${title}</th>`)}</tr></thead>
<tbody>
${rows.map((cells) => html`<tr>${cells.map((cell, n) => html`<td class="${kind(n)}">${cell}</td>`)}</tr>
`)}</tbody></table></div>`;
}

const percent = (value: number) => (100 * value).toFixed(1);
const millimetres = (value: number | null) => (value === null ? "-" : value.toFixed(1));
const number = (title: string): Column => ({ title });
const word = (title: string): Column => ({ title, kind: "word" });

/** With one patient only there is nothing to draw from: the interval would have no width and say something that is not so. */
function intervals(tasks: readonly TaskResult[]): (estimate: Estimate) => string {
  const several = new Set(tasks.map(({ group }) => group)).size > 1;
  return ({ low, high }) => (several ? `${percent(low)} to ${percent(high)}` : "-");
}

function roundsTable(document: ReportDocument): Markup {
  const interval = intervals(document.tasks);
  const rows = (Object.entries(document.summary.fusions) as [FusionKind, FusionSummary][]).flatMap(([fusion, { rounds }]) => rounds.map((round, n) => [
    fusion, n + 1, percent(round.dice.mean), interval(round.dice), percent(round.sliceDice), round.clicks.toFixed(1), round.kept.toFixed(1),
    round.propagated.toFixed(1), round.seconds.click.toFixed(2), round.seconds.propagate.toFixed(2), round.seconds.fuse.toFixed(2),
  ]));
  return tableHtml([
    word("fusion"), ...["round", "Dice %", "95 % interval", "slice Dice %", "clicks", "slices kept", "slices propagated", "click s", "propagate s", "fuse s"].map(number),
  ], rows);
}

function endTable(document: ReportDocument): Markup {
  const interval = intervals(document.tasks);
  const rows = (Object.entries(document.summary.fusions) as [FusionKind, FusionSummary][]).map(([fusion, { areaUnderCurve, nsd, hd95 }]) =>
    [fusion, percent(areaUnderCurve.mean), interval(areaUnderCurve), percent(nsd), millimetres(hd95)]);
  return tableHtml([word("fusion"), ...["area under the curve %", "95 % interval", "NSD at 2 mm %", "HD95 mm"].map(number)], rows);
}

const objectOf = ({ label }: TaskResult) => (label === "any" ? "any label" : `label ${label}`);

function casesTable({ tasks, settings }: ReportDocument): Markup {
  const { fusions } = settings;
  const columns = [word("case"), word("object"), word("patient"), number("ml"), ...fusions.flatMap((fusion) =>
    [number(`${fusion}: Dice %`), number("NSD %"), number("HD95 mm"), { title: "Dice % of each round", kind: "word free" } as const])];
  return tableHtml(columns, byDice(tasks, fusions[0]).map((task) => [
    task.id, objectOf(task), task.group, ((task.voxels * task.spacing[0] * task.spacing[1] * task.spacing[2]) / 1000).toFixed(1),
    ...fusions.flatMap((fusion) => {
      const { rounds, surface } = task.runs[fusion]!;
      return [percent(rounds[rounds.length - 1].dice), percent(surface.nsd), millimetres(surface.hd95), rounds.map(({ dice }) => percent(dice)).join(" ")];
    }),
  ]));
}

function pictureHtml({ what, task, png, wrongest }: Picture): Markup {
  const slice = wrongest === null ? "" : ` Most wrong pixels: slice ${wrongest}.`;
  const caption = `${what}: ${task.id}, ${objectOf(task)}.${slice}`;
  return html`<figure><figcaption>${caption[0].toUpperCase() + caption.slice(1)}</figcaption>
<img alt="Slices of ${task.id} with outlines of truth and answer" src="data:image/png;base64,${png.toString("base64")}"></figure>
`;
}

function settingsTable({ created, model, settings, machine }: ReportDocument, commandLine: string): Markup {
  const show = (value: unknown) => (Array.isArray(value) ? value.join(", ") : value === null ? "not given" : String(value));
  return tableHtml([word("setting"), { title: "value", kind: "word free" }], [
    ["command line", html`<code>${commandLine}</code>`],
    ["model digest", html`<code>${model || "none answered"}</code>`],
    ["made", created],
    ["CPU", `${machine.cpu}, ${machine.cores} cores`],
    ["Node.js, platform", `${machine.node}, ${machine.platform}`],
    ...Object.entries(settings).map(([name, value]) => [name, show(value)]),
  ]);
}

/** What only holds where something was measured. */
function findings(document: ReportDocument, pictures: readonly Picture[]): Markup {
  const { summary, tasks, settings } = document;
  if (tasks.length === 0) return html`<p>No case could be used.</p>`;
  const patients = new Set(tasks.map(({ group }) => group)).size;
  const gain = summary.gain && html`<p>Network fusion less none, last round: ${percent(summary.gain.mean)} points (${intervals(tasks)(summary.gain)}).</p>`;
  return html`<p>${tasks.length === 1 ? "1 object" : `${tasks.length} objects`} of ${patients === 1 ? "1 patient" : `${patients} patients`} (a scan
counts as a patient where none is named). ${patients > 1
    ? "Intervals: percentile bootstrap, 95 %, scans of one patient drawn together."
    : "With one patient there is no interval to give."}</p>
<h2>Rounds</h2>
${roundsTable(document)}
<h2>Mean Dice of each round</h2>
${curveSvg(summary, { whiskers: patients > 1 })}
<h2>After the last round</h2>
${endTable(document)}
${gain ?? ""}
<h2>Worst, median and best case</h2>
<p class="quiet">By the Dice after the last round, fusion ${settings.fusions[0]}. Slices across the object and the one with the most wrong pixels, cut to what
is drawn; with the clicks on them.</p>
${pictures.map(pictureHtml)}
<h2>All cases, worst first</h2>
${casesTable(document)}`;
}

/** The whole page. It runs nothing and loads nothing. */
export function pageOf(document: ReportDocument, pictures: readonly Picture[], commandLine: string): string {
  const { protocol, rounds } = document.settings;
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>limnet evaluation, protocol ${protocol}</title>
<style>${style}</style>
</head>
<body>
<h1>limnet evaluation: protocol ${protocol}, ${rounds} rounds</h1>
${findings(document, pictures)}
${document.skipped.length === 0 ? "" : html`<h2>Skipped</h2>
${tableHtml([word("case"), { title: "reason", kind: "word free" }], document.skipped.map(({ id, reason }) => [id, reason]))}`}
<h2>Made with</h2>
${settingsTable(document, commandLine)}
</body>
</html>
`.text;
}

/** A command line as one could type it again in a POSIX shell. */
export function quoted(words: readonly string[]): string {
  return words.map((w) => (/^[\w@%+=:,./-]+$/.test(w) ? w : `'${w.replaceAll("'", "'\\''")}'`)).join(" ");
}
