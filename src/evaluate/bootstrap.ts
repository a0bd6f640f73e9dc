/** The mean of a sample and how sure we are of it. */
import { percentile } from "../imaging/scores.js";

/** Small seeded generator (mulberry32): the same numbers on every machine. Returns 0 <= x < 1. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export interface Estimate {
  readonly mean: number;
  /** Percentile bootstrap, 95 %. */
  readonly low: number;
  readonly high: number;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, v) => sum + v, 0) / values.length;
}

/**
 * Mean and its 95 % bootstrap interval. `groups` names what is drawn together (the patient of each value): two scans of one
 * patient are no two independent witnesses. NaN without values.
 */
export function bootstrap(values: readonly number[], seed: number, groups: readonly string[] = values.map((_, i) => String(i)), draws = 2000): Estimate {
  if (values.length === 0) return { mean: NaN, low: NaN, high: NaN };
  const byGroup = new Map<string, number[]>();
  values.forEach((v, i) => {
    const members = byGroup.get(groups[i]);
    if (members) members.push(v);
    else byGroup.set(groups[i], [v]);
  });
  const sums = [...byGroup.values()].map((members) => ({ sum: members.reduce((a, b) => a + b, 0), count: members.length }));
  const next = random(seed);
  const means: number[] = [];
  for (let d = 0; d < draws; d++) {
    let sum = 0;
    let count = 0;
    for (let i = 0; i < sums.length; i++) {
      const drawn = sums[Math.floor(next() * sums.length)];
      sum += drawn.sum;
      count += drawn.count;
    }
    means.push(sum / count);
  }
  means.sort((a, b) => a - b);
  return { mean: mean(values), low: percentile(means, 0.025), high: percentile(means, 0.975) };
}
