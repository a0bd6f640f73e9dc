/** Which of two masks of a slice is the better one: asked of the quality network, or of the truth (evaluation only). */
import type { Networks } from "../networks.js";
import type { Plane } from "../view.js";
import { maskFrom, pairView, writePair } from "./pairs.js";

/** One slice: grey values 0..255 and two stored probability planes (mask where >= 128). */
export interface Pair {
  readonly slice: Plane<Uint8Array>;
  readonly previous: Plane<Uint8Array>;
  readonly current: Plane<Uint8Array>;
}

/** Probability per pair that the previous mask is the better one; one run of the quality network. Equation 3. */
export async function askNetwork(networks: Networks, pairs: readonly Pair[]): Promise<number[]> {
  const { quality } = networks.settings;
  const { size } = quality;
  const data = new Float32Array(pairs.length * 3 * size * size);
  pairs.forEach(({ slice, previous, current }, n) => {
    const view = pairView(previous, current, quality);
    if (view !== null) writePair(data, n * 3 * size * size, slice, previous, current, view, size);
  });
  const answer = await networks.run("quality", { pairs: { data, dims: [pairs.length, 3, size, size] } });
  return Array.from(answer.previous_better.data as Float32Array);
}

/** Dice of two masks given as membership tests over the same pixels: empty/empty 1, empty/non-empty 0. */
export function dice(length: number, a: (i: number) => boolean, b: (i: number) => boolean): number {
  let both = 0;
  let sum = 0;
  for (let i = 0; i < length; i++) {
    const inA = a(i);
    const inB = b(i);
    if (inA) sum++;
    if (inB) sum++;
    if (inA && inB) both++;
  }
  return sum === 0 ? 1 : (2 * both) / sum;
}

/** 1 where the previous mask has the higher Dice with the truth, 0 where the current one has, 0.5 for a tie. */
export function askTruth({ previous, current }: Omit<Pair, "slice">, truth: ArrayLike<number>): number {
  const score = ({ data }: Plane<Uint8Array>) => dice(data.length, (i) => data[i] >= maskFrom, (i) => truth[i] !== 0);
  const before = score(previous);
  const now = score(current);
  return before > now ? 1 : before < now ? 0 : 0.5;
}
