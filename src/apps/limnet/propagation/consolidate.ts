/**
 * Consolidation of the working memory: choose prototypes, potentiate their values (specification 2.7, paper's equations 10-12).
 * Plain typed-array code; a direction needs it once in five memory slices.
 */

/** Candidates of a consolidation: `count` elements, element-major. */
export interface Candidates {
  readonly count: number;
  readonly keyDim: number;
  readonly valueDim: number;
  /** [count, keyDim] */
  readonly keys: Float32Array;
  /** [count, keyDim], 0..1 */
  readonly selections: Float32Array;
  /** [count], >= 1 */
  readonly shrinkage: Float32Array;
  /** [count, valueDim] */
  readonly values: Float32Array;
}

/** Potentiated elements: [P, keyDim], [P], [P, valueDim]. */
export interface Prototypes {
  readonly count: number;
  readonly keys: Float32Array;
  readonly shrinkage: Float32Array;
  readonly values: Float32Array;
}

/** exp(-30) is below what a float32 sum that is at least 1 can hold. */
const negligible = 30;

/** Indices of the `count` highest scores, best first; equal scores: lower index first. */
export function highest(scores: Float64Array, count: number): Int32Array {
  const order = Int32Array.from(scores, (_, i) => i);
  order.sort((a, b) => scores[b] - scores[a] || a - b);
  return order.slice(0, count);
}

/**
 * Potentiation. For prototype j (a candidate taken as a query) over all candidates i:
 *   A_ij = -(s_i / sqrt(C)) sum_c e_cj (k_ci - k_cj)^2,  W = softmax over i,  v^p = v^c W,  s^p = s^c W.
 *
 * The softmax is the full one: a prototype is a candidate too, so its largest A is 0 and the denominator at least 1;
 * a sum that has passed 30 cannot come back, so the loop over channels ends there.
 */
export function potentiate(candidates: Candidates, chosen: Int32Array): Prototypes {
  const { count, keyDim, valueDim, keys, selections, shrinkage, values } = candidates;
  const out: Prototypes = {
    count: chosen.length,
    keys: new Float32Array(chosen.length * keyDim),
    shrinkage: new Float32Array(chosen.length),
    values: new Float32Array(chosen.length * valueDim),
  };
  const query = new Float64Array(keyDim);
  const selection = new Float64Array(keyDim);
  const sum = new Float64Array(valueDim);
  const root = Math.sqrt(keyDim);
  for (let j = 0; j < chosen.length; j++) {
    const at = chosen[j] * keyDim;
    for (let c = 0; c < keyDim; c++) {
      query[c] = keys[at + c];
      selection[c] = selections[at + c];
    }
    sum.fill(0);
    let total = 0;
    let shrink = 0;
    for (let i = 0; i < count; i++) {
      const s = shrinkage[i];
      const limit = (negligible * root) / s;
      const base = i * keyDim;
      let distance = 0;
      for (let c = 0; c < keyDim && distance < limit; ) {
        const end = Math.min(keyDim, c + 8);
        for (; c < end; c++) {
          const d = keys[base + c] - query[c];
          distance += selection[c] * d * d;
        }
      }
      if (distance >= limit) continue;
      const w = Math.exp((-s * distance) / root);
      total += w;
      shrink += w * s;
      const row = i * valueDim;
      for (let c = 0; c < valueDim; c++) sum[c] += w * values[row + c];
    }
    out.keys.set(keys.subarray(at, at + keyDim), j * keyDim);
    out.shrinkage[j] = shrink / total;
    const row = j * valueDim;
    for (let c = 0; c < valueDim; c++) out.values[row + c] = sum[c] / total;
  }
  return out;
}

/** Which of `scores` survive when at most `keep` may stay: the lowest go, and all that tie with the last to go. */
export function survivors(scores: Float64Array, keep: number): Int32Array {
  if (scores.length <= keep) return Int32Array.from(scores, (_, i) => i);
  const threshold = scores.slice().sort()[scores.length - keep - 1];
  const alive: number[] = [];
  for (let i = 0; i < scores.length; i++) if (scores[i] > threshold) alive.push(i);
  return Int32Array.from(alive);
}
