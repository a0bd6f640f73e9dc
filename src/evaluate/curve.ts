/** The mean Dice of every round as a picture: inline SVG, a line a way. */
import type { Estimate } from "./bootstrap.js";
import { html, type Markup } from "./html.js";

const [width, height] = [720, 340];
/** Edges of the plot inside of the picture. */
const [left, right, top, bottom] = [52, 700, 16, 292];

interface Stroke {
  readonly colour: string;
  readonly dash: string;
}

/** Colours that the colour-blind can tell apart; dashes besides, where lines lie on one another. */
const strokes: Readonly<Record<string, Stroke>> = {
  network: { colour: "#0072b2", dash: "" }, none: { colour: "#d55e00", dash: "7 4" }, oracle: { colour: "#008a63", dash: "2 3" },
  walker: { colour: "#aa3377", dash: "9 3 2 3" }, interpolate: { colour: "#666666", dash: "4 2" }, copy: { colour: "#b8860b", dash: "1 2" },
};

/** Names without a stroke of their own take these in turn. */
const strokeOf = (name: string, n: number): Stroke => (Object.hasOwn(strokes, name) ? strokes[name] : Object.values(strokes)[n % Object.keys(strokes).length]);

/** What is drawn: a line a name, a point a round. A summary of an evaluation fits. */
export interface Drawable {
  readonly ways: Readonly<Record<string, { readonly rounds: readonly { readonly dice: Estimate }[] } | undefined>>;
}

export interface CurvePoint {
  readonly x: number;
  readonly y: number;
  readonly yLow: number;
  readonly yHigh: number;
}

export interface Curves {
  /** Dice at the lower edge: a multiple of 0.1 below everything that is drawn. The upper edge is 1. */
  readonly floor: number;
  readonly rounds: number;
  readonly lines: Record<string, CurvePoint[]>;
}

const xOf = (round: number, rounds: number) => (rounds === 1 ? (left + right) / 2 : left + 20 + ((round - 1) / (rounds - 1)) * (right - left - 40));
const yOf = (dice: number, floor: number) => bottom - ((dice - floor) / (1 - floor)) * (bottom - top);

/** Where the points lie in the picture. */
export function curvesOf({ ways }: Drawable): Curves {
  const all = Object.entries(ways) as [string, NonNullable<Drawable["ways"][string]>][];
  const lowest = Math.min(1, ...all.flatMap(([, { rounds }]) => rounds.map(({ dice }) => Math.min(dice.low, dice.mean))));
  const floor = Math.max(0, Math.min(9, Math.floor(lowest * 10 + 1e-9))) / 10;
  const rounds = Math.max(0, ...all.map(([, way]) => way.rounds.length));
  const lines = Object.fromEntries(all.map(([way, summary]) => [way, summary.rounds.map(({ dice }, n) => ({
    x: xOf(n + 1, rounds), y: yOf(dice.mean, floor), yLow: yOf(dice.low, floor), yHigh: yOf(dice.high, floor),
  }))]));
  return { floor, rounds, lines };
}

const at = (value: number) => value.toFixed(1);

function gridOf(floor: number, rounds: number): Markup[] {
  const steps = Array.from({ length: Math.round((1 - floor) * 10) + 1 }, (_, n) => floor + n / 10);
  const every = Math.ceil(rounds / 12);
  const numbers = Array.from({ length: rounds }, (_, n) => n + 1).filter((n) => (n - 1) % every === 0);
  return [
    ...steps.map((dice) => html`<line class="grid" x1="${left}" x2="${right}" y1="${at(yOf(dice, floor))}" y2="${at(yOf(dice, floor))}"/>
<text x="${left - 8}" y="${at(yOf(dice, floor) + 4)}" text-anchor="end">${Math.round(dice * 100)}</text>
`),
    ...numbers.map((n) => html`<text x="${at(xOf(n, rounds))}" y="${bottom + 18}" text-anchor="middle">${n}</text>
`),
  ];
}

function lineOf({ colour, dash }: Stroke, points: readonly CurvePoint[], shift: number): Markup {
  return html`<g stroke="${colour}" fill="${colour}">
${points.map((p) => html`<line class="whisker" x1="${at(p.x + shift)}" x2="${at(p.x + shift)}" y1="${at(p.yLow)}" y2="${at(p.yHigh)}"/>
<circle cx="${at(p.x)}" cy="${at(p.y)}" r="3.5" stroke="none"/>
`)}<polyline fill="none" stroke-width="2" stroke-dasharray="${dash || "none"}" points="${points.map((p) => `${at(p.x)},${at(p.y)}`).join(" ")}"/>
</g>
`;
}

function legendOf(name: string, n: number): Markup {
  const { colour, dash } = strokeOf(name, n);
  const x = left + 20 + n * 108;
  return html`<line x1="${x}" x2="${x + 32}" y1="${height - 10}" y2="${height - 10}" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash || "none"}"/>
<text x="${x + 40}" y="${height - 6}">${name}</text>
`;
}

export interface CurveOptions {
  readonly whiskers: boolean;
  /** What the axes say. */
  readonly across?: string;
  readonly up?: string;
}

/** The picture. Whiskers are the intervals, drawn a little beside each other; leave them out where there are none to speak of. */
export function curveSvg(drawable: Drawable, { whiskers, across = "round", up = "mean Dice %" }: CurveOptions): Markup {
  const { floor, rounds, lines } = curvesOf(drawable);
  const shown = Object.entries(lines).map(([name, points]) => [name, whiskers ? points : points.map((p) => ({ ...p, yLow: p.y, yHigh: p.y }))] as const);
  return html`<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${up} after each ${across}">
${gridOf(floor, rounds)}${shown.map(([name, points], n) => lineOf(strokeOf(name, n), points, (n - (shown.length - 1) / 2) * 5))}${shown.map(([name], n) => legendOf(name, n))}<text x="${right}" y="${height - 6}" text-anchor="end">${across}</text>
<text x="14" y="${(top + bottom) / 2}" text-anchor="middle" transform="rotate(-90 14 ${(top + bottom) / 2})">${up}</text>
</svg>`;
}
