/** The linear system of the random walker on a lattice of voxels, by conjugate gradients with a diagonal preconditioner. */

/** A lattice of n = depth x rows x cols nodes, flat, columns fastest. The weight of a node's edge to the next node along an axis is 0 at the far side. */
export interface Lattice {
  readonly depth: number;
  readonly rows: number;
  readonly cols: number;
  readonly alongCols: Float32Array;
  readonly alongRows: Float32Array;
  readonly alongDepth: Float32Array;
  /** Pull of each node towards its prior. */
  readonly trust: Float32Array;
  /** 1: the node moves, 0: it keeps its prior. */
  readonly free: Uint8Array;
}

/**
 * Minimises sum of w_ij (x_i - x_j)^2 over edges + sum of trust_i (x_i - prior_i)^2 over nodes, in at most `iterations` steps from
 * x = prior. Few steps are wanted: they carry a change only so many voxels far. Float32Array [n] in 0..1 (up to rounding).
 */
export async function solve(lattice: Lattice, prior: Float32Array, iterations: number, check?: () => Promise<void>): Promise<Float32Array> {
  const { trust, free } = lattice;
  const count = prior.length;
  const diagonal = degrees(lattice);
  const inverse = diagonal.map((d, i) => (free[i] === 1 && d > 0 ? 1 / d : 0));
  const x = Float32Array.from(prior);
  const residual = new Float32Array(count);
  const image = multiplier(lattice, diagonal);
  let product = image(x);
  for (let i = 0; i < count; i++) residual[i] = free[i] === 1 ? trust[i] * prior[i] - product[i] : 0;
  const direction = residual.map((r, i) => r * inverse[i]);
  let slope = dot(residual, direction);
  const enough = 1e-10 * count;
  for (let n = 0; n < iterations && slope > enough; n++) {
    await check?.();
    product = image(direction);
    let curve = 0;
    for (let i = 0; i < count; i++) curve += direction[i] * product[i];
    if (!(curve > 0)) break;
    const step = slope / curve;
    let next = 0;
    for (let i = 0; i < count; i++) {
      x[i] += step * direction[i];
      const r = free[i] === 1 ? residual[i] - step * product[i] : 0;
      residual[i] = r;
      next += r * r * inverse[i];
    }
    const share = next / slope;
    for (let i = 0; i < count; i++) direction[i] = residual[i] * inverse[i] + share * direction[i];
    slope = next;
  }
  return x;
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** Sum of a node's edges and its trust. */
function degrees({ rows, cols, alongCols, alongRows, alongDepth, trust }: Lattice): Float32Array {
  const out = Float32Array.from(trust);
  const plane = rows * cols;
  for (let i = 0; i < out.length; i++) {
    out[i] += alongCols[i] + alongRows[i] + alongDepth[i];
    if (i + 1 < out.length) out[i + 1] += alongCols[i];
    if (i + cols < out.length) out[i + cols] += alongRows[i];
    if (i + plane < out.length) out[i + plane] += alongDepth[i];
  }
  return out;
}

/** v -> A v. The buffers are made once; v is copied between two empty planes, so that no neighbour needs a test. */
function multiplier({ depth, rows, cols, alongCols, alongRows, alongDepth }: Lattice, diagonal: Float32Array): (v: Float32Array) => Float32Array {
  const plane = rows * cols;
  const count = depth * plane;
  const padded = (values: Float32Array) => {
    const out = new Float32Array(count + 2 * plane);
    out.set(values, plane);
    return out;
  };
  const [wc, wr, wd] = [padded(alongCols), padded(alongRows), padded(alongDepth)];
  const out = new Float32Array(count);
  const v = new Float32Array(count + 2 * plane);
  return (values) => {
    v.set(values, plane);
    for (let n = 0, i = plane; n < count; n++, i++) {
      out[n] = diagonal[n] * values[n]
        - wc[i] * v[i + 1] - wc[i - 1] * v[i - 1]
        - wr[i] * v[i + cols] - wr[i - cols] * v[i - cols]
        - wd[i] * v[i + plane] - wd[i - plane] * v[i - plane];
    }
    return out;
  };
}
