/**
 * Exact squared Euclidean distance transform: one pass per axis, each the lower envelope of parabolas
 * (Felzenszwalb and Huttenlocher). On whole-number grids every result is an exact integer: two candidate borders of the envelope
 * differ from each other, and from a pixel, by far more than a rounding error, and where they coincide both parabolas agree.
 */
import type { Shape } from "./geometry.js";

interface Scratch {
  readonly value: Float64Array;
  readonly apex: Int32Array;
  readonly border: Float64Array;
}

/** One line: out[x] = min over v of value[v] + unit * (x - v)^2. Infinite values take no part. */
function envelope(length: number, unit: number, { value, apex, border }: Scratch, write: (x: number, d: number) => void): void {
  let last = -1;
  for (let q = 0; q < length; q++) {
    if (value[q] === Infinity) continue;
    let from = -Infinity;
    while (last >= 0) {
      const v = apex[last];
      from = ((value[q] - value[v]) / unit + q * q - v * v) / (2 * (q - v));
      if (from > border[last]) break;
      last--;
      from = -Infinity;
    }
    last++;
    apex[last] = q;
    border[last] = from;
  }
  if (last < 0) return;
  let k = 0;
  for (let x = 0; x < length; x++) {
    while (k < last && border[k + 1] < x) k++;
    const d = x - apex[k];
    write(x, value[apex[k]] + unit * d * d);
  }
}

/** Squared distance of every voxel to the nearest voxel where `seeds` is not zero; Infinity without any. First axis fastest. */
export function squaredDistance(seeds: ArrayLike<number>, shape: Shape, spacing: Shape = [1, 1, 1]): Float64Array {
  const out = new Float64Array(seeds.length);
  for (let i = 0; i < out.length; i++) out[i] = seeds[i] ? 0 : Infinity;
  const strides = [1, shape[0], shape[0] * shape[1]];
  for (let axis = 0; axis < 3; axis++) {
    const length = shape[axis];
    if (length === 1) continue;
    const stride = strides[axis];
    const scratch = { value: new Float64Array(length), apex: new Int32Array(length), border: new Float64Array(length) };
    let start = 0;
    const write = (x: number, d: number) => {
      out[start + x * stride] = d;
    };
    const block = stride * length;
    for (let base = 0; base < out.length; base += block) {
      for (let offset = 0; offset < stride; offset++) {
        start = base + offset;
        for (let x = 0; x < length; x++) scratch.value[x] = out[start + x * stride];
        envelope(length, spacing[axis] ** 2, scratch, write);
      }
    }
  }
  return out;
}

/** Squared distance of the non-zero pixels of a slice to the nearest zero pixel, all around the slice counting as zero. */
export function depth(mask: ArrayLike<number>, rows: number, cols: number): Float64Array {
  const wide = cols + 2;
  const outside = new Uint8Array(wide * (rows + 2)).fill(1);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) if (mask[r * cols + c]) outside[(r + 1) * wide + c + 1] = 0;
  }
  const padded = squaredDistance(outside, [wide, rows + 2, 1]);
  const out = new Float64Array(rows * cols);
  for (let r = 0; r < rows; r++) out.set(padded.subarray((r + 1) * wide + 1, (r + 1) * wide + 1 + cols), r * cols);
  return out;
}

/** Signed distance of the pixels of a slice to the border of a mask, which runs between pixels; positive inside. An empty mask is far outside everywhere. */
export function signedDistance(mask: Uint8Array, rows: number, cols: number): Float64Array {
  const far = rows + cols;
  const inside = squaredDistance(mask.map((v) => (v ? 0 : 1)), [cols, rows, 1]);
  const outside = squaredDistance(mask, [cols, rows, 1]);
  return inside.map((d, i) => (mask[i] ? Math.min(far, Math.sqrt(d)) - 0.5 : 0.5 - Math.min(far, Math.sqrt(outside[i]))));
}
