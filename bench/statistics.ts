/** What the benches report: a figure, its unit, and what it is measured against. */
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
