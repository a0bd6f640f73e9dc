/** What every report page has: style, tables, what was skipped, and what it was made with. One HTML file that needs nothing else. */
import { type Content, html, type Markup } from "./html.js";
import type { Machine } from "./report.js";

const style = html`
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, sans-serif; color: #222; background: #fff; max-width: 1240px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin: 1.8em 0 .5em; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2em .7em; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }
th { white-space: normal; }
th { border-bottom-color: #888; text-align: right; vertical-align: bottom; }
th.word, td.word { text-align: left; }
td.free { white-space: normal; overflow-wrap: anywhere; }
code { font-size: .92em; overflow-wrap: anywhere; }
figure { margin: 1em 0 2em; } figure img { max-width: 100%; height: auto; display: block; } figcaption { margin-bottom: .4em; }
svg { max-width: 100%; height: auto; font: 12px system-ui, sans-serif; } svg text { fill: #444; }
svg .grid { stroke: #e2e2e2; } svg .whisker { stroke-opacity: .45; stroke-width: 2; }
.quiet { color: #666; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15em 1em; margin: 0; } dd { margin: 0; }`;

export interface Column {
  readonly title: string;
  /** Words stand to the left, numbers to the right; free text may be broken. */
  readonly kind?: "word" | "word free";
}

export function tableHtml(columns: readonly Column[], rows: readonly (readonly Content[])[]): Markup {
  const kind = (n: number) => columns[n].kind ?? "number";
  return html`<div class="wide"><table>
<thead><tr>${columns.map(({ title }, n) => html`<th scope="col" class="${kind(n)}">${title}</th>`)}</tr></thead>
<tbody>
${rows.map((cells) => html`<tr>${cells.map((cell, n) => html`<td class="${kind(n)}">${cell}</td>`)}</tr>
`)}</tbody></table></div>`;
}

/** What stands at the end of a page. */
export interface MadeWith {
  readonly created: string;
  readonly model: string;
  readonly settings: object;
  readonly machine: Machine;
  readonly skipped: readonly { readonly id: string; readonly reason: string }[];
}

function settingsTable({ created, model, settings, machine }: MadeWith, commandLine: string): Markup {
  const show = (value: unknown): string => {
    if (value === null) return "not given";
    if (Array.isArray(value)) return value.join(", ") || "none";
    return typeof value === "object" ? Object.entries(value).map(([name, of]) => `${name} ${show(of)}`).join(", ") : String(value);
  };
  return tableHtml([{ title: "setting", kind: "word" }, { title: "value", kind: "word free" }], [
    ["command line", html`<code>${commandLine}</code>`],
    ["model digest", html`<code>${model || "none answered"}</code>`],
    ["made", created],
    ["CPU", `${machine.cpu}, ${machine.cores} cores`],
    ["Node.js, platform", `${machine.node}, ${machine.platform}`],
    ...Object.entries(settings).map(([name, value]) => [name, show(value)]),
  ]);
}

/** The page around its findings. It runs nothing and loads nothing. */
export function pageAround(title: string, findings: Markup, made: MadeWith, commandLine: string): string {
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${style}</style>
</head>
<body>
<h1>${title}</h1>
${findings}
${made.skipped.length === 0 ? "" : html`<h2>Skipped</h2>
${tableHtml([{ title: "case", kind: "word" }, { title: "reason", kind: "word free" }], made.skipped.map(({ id, reason }) => [id, reason]))}`}
<h2>Made with</h2>
${settingsTable(made, commandLine)}
</body>
</html>
`.text;
}

/** A command line as one could type it again in a POSIX shell. */
export function quoted(words: readonly string[]): string {
  return words.map((w) => (/^[\w@%+=:,./-]+$/.test(w) ? w : `'${w.replaceAll("'", "'\\''")}'`)).join(" ");
}
