/** What the benches report, and how it is printed. */
import { table } from "../src/evaluate/table.js";

/** A figure, its unit, and what it is measured against. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** From the "Figures to reach"; "most": smaller is better, "least": larger is better. */
  readonly target?: { readonly value: number; readonly kind: "most" | "least" };
  /** How it was measured. */
  readonly note: string;
}

/** Nearest-rank quantile. NaN without values. */
export function quantile(values: readonly number[], share: number): number {
  const ascending = [...values].sort((a, b) => a - b);
  return ascending[Math.min(ascending.length - 1, Math.ceil(share * ascending.length) - 1)] ?? NaN;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

function row({ name, value, unit, target, note }: Figure): string[] {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  const goal = target ? `${target.kind === "most" ? "at most" : "at least"} ${target.value} ${unit}` : "";
  const ratio = target ? (value / target.value).toFixed(2) : "";
  return [name, `${value.toFixed(digits)} ${unit}`, goal, ratio, note];
}

export function printFigures(figures: readonly Figure[]): void {
  console.log(`\n${table(["what", "measured", "target", "ratio", "how"], figures.map(row))}`);
}
