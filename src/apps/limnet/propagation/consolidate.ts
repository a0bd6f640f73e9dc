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

/** Beside a sum that is at least 1, even thousands of terms of exp(-20) are lost in float32. */
const negligible = 20;

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
 * what is negligible beside that counts as 0.
 */
export function potentiate(candidates: Candidates, chosen: Int32Array): Prototypes {
  const { keyDim, valueDim, keys, shrinkage, values } = candidates;
  const out: Prototypes = {
    count: chosen.length,
    keys: new Float32Array(chosen.length * keyDim),
    shrinkage: new Float32Array(chosen.length),
    values: new Float32Array(chosen.length * valueDim),
  };
  const weights = new Float64Array(candidates.count);
  const sum = new Float64Array(valueDim);
  for (let j = 0; j < chosen.length; j++) {
    affinity(candidates, chosen[j], weights);
    let total = 0;
    let shrink = 0;
    for (let i = 0; i < weights.length; i++) {
      total += weights[i];
      shrink += weights[i] * shrinkage[i];
    }
    out.keys.set(keys.subarray(chosen[j] * keyDim, (chosen[j] + 1) * keyDim), j * keyDim);
    out.shrinkage[j] = shrink / total;
    weightedSum(values, valueDim, weights, sum);
    for (let c = 0; c < valueDim; c++) out.values[j * valueDim + c] = sum[c] / total;
  }
  return out;
}

/** exp(A_ij) of all candidates with candidate `j` as query, 0 where negligible. Four sums at once: one would wait for itself. */
function affinity({ keyDim, keys, selections, shrinkage }: Candidates, j: number, weights: Float64Array): void {
  const query = Float64Array.from(keys.subarray(j * keyDim, (j + 1) * keyDim));
  const selection = Float64Array.from(selections.subarray(j * keyDim, (j + 1) * keyDim));
  const root = Math.sqrt(keyDim);
  const even = keyDim - (keyDim % 4);
  for (let i = 0, base = 0; i < weights.length; i++, base += keyDim) {
    const scale = shrinkage[i] / root;
    let s0 = 0;
    let s1 = 0;
    let s2 = 0;
    let s3 = 0;
    let c = 0;
    for (; c < even; c += 4) {
      if ((c & 31) === 0 && (s0 + s1 + s2 + s3) * scale > negligible) {
        c = keyDim;
        break;
      }
      const d0 = keys[base + c] - query[c];
      const d1 = keys[base + c + 1] - query[c + 1];
      const d2 = keys[base + c + 2] - query[c + 2];
      const d3 = keys[base + c + 3] - query[c + 3];
      s0 += selection[c] * d0 * d0;
      s1 += selection[c + 1] * d1 * d1;
      s2 += selection[c + 2] * d2 * d2;
      s3 += selection[c + 3] * d3 * d3;
    }
    for (; c < keyDim; c++) s0 += selection[c] * (keys[base + c] - query[c]) ** 2;
    const exponent = (s0 + s1 + s2 + s3) * scale;
    weights[i] = exponent > negligible ? 0 : Math.exp(-exponent);
  }
}

/** sum = weights [n] times values [n, valueDim]; four rows at once, rows without weight are skipped. */
function weightedSum(values: Float32Array, valueDim: number, weights: Float64Array, sum: Float64Array): void {
  const used = new Int32Array(weights.length);
  let count = 0;
  for (let i = 0; i < weights.length; i++) if (weights[i] !== 0) used[count++] = i;
  sum.fill(0);
  let n = 0;
  for (; n + 4 <= count; n += 4) {
    const w0 = weights[used[n]];
    const w1 = weights[used[n + 1]];
    const w2 = weights[used[n + 2]];
    const w3 = weights[used[n + 3]];
    const r0 = used[n] * valueDim;
    const r1 = used[n + 1] * valueDim;
    const r2 = used[n + 2] * valueDim;
    const r3 = used[n + 3] * valueDim;
    for (let c = 0; c < valueDim; c++) {
      sum[c] += w0 * values[r0 + c] + w1 * values[r1 + c] + w2 * values[r2 + c] + w3 * values[r3 + c];
    }
  }
  for (; n < count; n++) {
    const w = weights[used[n]];
    const row = used[n] * valueDim;
    for (let c = 0; c < valueDim; c++) sum[c] += w * values[row + c];
  }
}

/** Which of `scores` survive when at most `keep` may stay: the lowest go, and all that tie with the last to go. */
export function survivors(scores: Float64Array, keep: number): Int32Array {
  if (scores.length <= keep) return Int32Array.from(scores, (_, i) => i);
  const threshold = scores.slice().sort()[scores.length - keep - 1];
  const alive: number[] = [];
  for (let i = 0; i < scores.length; i++) if (scores[i] > threshold) alive.push(i);
  return Int32Array.from(alive);
}
