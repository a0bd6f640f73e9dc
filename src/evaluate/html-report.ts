/** An evaluation as one HTML file that needs nothing else: tables, the curve, pictures of the worst, the median and the best case. */
import type { Estimate } from "./bootstrap.js";
import { curveSvg } from "./curve.js";
import { byDice, type Picture } from "./gallery.js";
import { html, type Markup } from "./html.js";
import { type Column, pageAround, tableHtml } from "./html-page.js";
import { legend, whatWasDone } from "./legend.js";
import type { WaySummary, ReportDocument } from "./report.js";
import type { TaskResult } from "./run.js";
import { type WayName, waysOf } from "./ways.js";

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
  const rows = (Object.entries(document.summary.ways) as [WayName, WaySummary][]).flatMap(([way, { rounds }]) => rounds.map((round, n) => [
    way, n + 1, percent(round.dice.mean), interval(round.dice), percent(round.sliceDice), percent(round.beyond), round.clicks.toFixed(1), round.kept.toFixed(1),
    round.propagated.toFixed(1), round.seconds.click.toFixed(2), round.seconds.propagate.toFixed(2), round.seconds.fuse.toFixed(2),
  ]));
  return tableHtml([
    word("way"), ...["round", "Dice %", "95 % interval", "slice Dice %", "beyond the ends %", "clicks", "slices kept", "slices propagated", "click s", "propagate s", "fuse s"].map(number),
  ], rows);
}

function endTable(document: ReportDocument): Markup {
  const interval = intervals(document.tasks);
  const rows = (Object.entries(document.summary.ways) as [WayName, WaySummary][]).map(([way, { areaUnderCurve, nsd, hd95 }]) =>
    [way, percent(areaUnderCurve.mean), interval(areaUnderCurve), percent(nsd), millimetres(hd95)]);
  return tableHtml([word("way"), ...["area under the curve %", "95 % interval", "NSD at 2 mm %", "HD95 mm"].map(number)], rows);
}

const objectOf = ({ label }: TaskResult) => (label === "any" ? "any label" : `label ${label}`);

function casesTable({ tasks, settings }: ReportDocument): Markup {
  const ways = waysOf(settings);
  const columns = [word("case"), word("object"), word("patient"), number("ml"), ...ways.flatMap((way) =>
    [number(`${way}: Dice %`), number("NSD %"), number("HD95 mm"), { title: "Dice % of each round", kind: "word free" } as const])];
  return tableHtml(columns, byDice(tasks, ways[0]).map((task) => [
    task.id, objectOf(task), task.group, ((task.voxels * task.spacing[0] * task.spacing[1] * task.spacing[2]) / 1000).toFixed(1),
    ...ways.flatMap((way) => {
      const { rounds, surface } = task.runs[way]!;
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

/** What only holds where something was measured. */
function findings(document: ReportDocument, pictures: readonly Picture[]): Markup {
  const { summary, tasks, settings } = document;
  if (tasks.length === 0) return html`<p>No case could be used.</p>`;
  const patients = new Set(tasks.map(({ group }) => group)).size;
  const gain = summary.gain && html`<p>Network fusion less none, last round: ${percent(summary.gain.mean)} points (${intervals(tasks)(summary.gain)}).</p>`;
  return html`${whatWasDone(document)}
<p>${tasks.length === 1 ? "1 object" : `${tasks.length} objects`} of ${patients === 1 ? "1 patient" : `${patients} patients`} (a scan
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
<h2>Words</h2>
${legend(document)}
<h2>Worst, median and best case</h2>
<p class="quiet">By the Dice after the last round, ${settings.fusions[0]}. Slices across the object and the one with the most wrong pixels, cut to what
is drawn. Green: the outline of the truth. Red: the answer; a slice without red is empty in the answer. + and - are the clicks.</p>
${pictures.map(pictureHtml)}
<h2>All cases, worst first</h2>
${casesTable(document)}`;
}

/** The whole page. It runs nothing and loads nothing. */
export function pageOf(document: ReportDocument, pictures: readonly Picture[], commandLine: string): string {
  const { protocol, rounds } = document.settings;
  return pageAround(`limnet evaluation: protocol ${protocol}, ${rounds} rounds`, findings(document, pictures), document, commandLine);
}
