/** Which directions a propagation needs, and how their results are combined in a gap between two prompts (2.11). */

/**
 * "blend": a gap between two prompts is run from both sides, results weighted by nearness. "nearest": each half from its
 * side. "through": one pass in each direction from the clicked slice that passes through the prompts (the plain mode).
 */
export type Gaps = "blend" | "nearest" | "through";

/** One direction: from a non-empty prompt to `until`, exclusive. */
export interface Run {
  readonly from: number;
  readonly step: 1 | -1;
  readonly until: number;
  /** Share of this run in a slice's result. The shares of all runs that reach a slice add up to 1. */
  share(index: number): number;
}

export interface Prompt {
  readonly slice: number;
  /** No object on it: nothing starts here, and no direction passes. */
  readonly wall: boolean;
}

const whole = () => 1;

/** Runs in the order of work: first those of the clicked slice, then by distance from it; upward before downward. */
function inOrder(runs: Run[], clicked: number): Run[] {
  return runs.sort((a, b) => Math.abs(a.from - clicked) - Math.abs(b.from - clicked) || a.from - b.from || b.step - a.step);
}

/** From `from` to its neighbour `to` (exclusive), which runs towards it as well. */
function intoGap(from: number, to: number, gaps: Gaps): Run {
  const step = to > from ? 1 : -1;
  const length = Math.abs(to - from);
  if (gaps === "blend") return { from, step, until: to, share: (index) => 1 - Math.abs(index - from) / length };
  const reach = Math.floor(length / 2);
  return { from, step, until: from + step * (reach + 1), share: (index) => (Math.abs(index - from) * 2 === length ? 0.5 : 1) };
}

/** Modes "blend" and "nearest": every non-empty prompt is a source; runs end at the next prompt. `prompts` ascending. */
function betweenPrompts(prompts: readonly Prompt[], count: number, gaps: Gaps): Run[] {
  return prompts.flatMap((prompt, n): Run[] => {
    if (prompt.wall) return [];
    const from = prompt.slice;
    return ([1, -1] as const).map((step) => {
      const next = prompts[n + step];
      if (next === undefined) return { from, step, until: step > 0 ? count : -1, share: whole };
      return next.wall ? { from, step, until: next.slice, share: whole } : intoGap(from, next.slice, gaps);
    });
  });
}

/** Mode "through", from the clicked slice; where that is a wall, from the nearest sources on both sides, also back to it. */
function throughPrompts(prompts: readonly Prompt[], clicked: number, count: number): Run[] {
  const runs: Run[] = [];
  for (const step of [1, -1] as const) {
    const end = step > 0 ? count : -1;
    if (prompts.some((p) => p.slice === clicked && !p.wall)) runs.push({ from: clicked, step, until: end, share: whole });
    else runs.push(...resumed(prompts, clicked, step, end));
  }
  return runs;
}

/** Mode "through": what is still to do when a run ended at `at`: the next source beyond it, onward to `until` and back to `at`. */
export function resumed(prompts: readonly Prompt[], at: number, step: 1 | -1, until: number): Run[] {
  const beyond = prompts.filter((p) => !p.wall && (p.slice - at) * step > 0 && (until - p.slice) * step > 0);
  if (beyond.length === 0) return [];
  const { slice } = beyond.reduce((a, b) => ((b.slice - a.slice) * step < 0 ? b : a));
  const walls = prompts.filter((p) => p.wall && (p.slice - at) * step > 0 && (slice - p.slice) * step > 0).map((p) => p.slice);
  const back = walls.reduce((a, b) => ((b - a) * step > 0 ? b : a), at);
  return [
    { from: slice, step, until, share: whole },
    { from: slice, step: step > 0 ? -1 : 1, until: back, share: whole },
  ];
}

/** All runs of a propagation over slices 0 … count - 1. */
export function planRuns(prompts: readonly Prompt[], clicked: number, count: number, gaps: Gaps): Run[] {
  const sorted = [...prompts].sort((a, b) => a.slice - b.slice);
  const runs = gaps === "through" ? throughPrompts(sorted, clicked, count) : betweenPrompts(sorted, count, gaps);
  return inOrder(runs, clicked);
}
