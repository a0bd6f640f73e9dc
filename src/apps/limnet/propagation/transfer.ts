/**
 * The neighbour's mask carried over by like patches (patch-based label fusion: Coupé et al., NeuroImage 2011). The memory is read in cells of
 * 8 pixels, in which a thin wall drowns; patches of 3 pixels see it move. training/limnet_training/transfer.py is the same arithmetic.
 */
import type { TransferSettings } from "../networks.js";

/** Patches that differ by more than so many contrasts (root mean square) do not vote. */
const far = 8;
/** Outside these a probability is sure: where all of them are, on one side, there is nothing to vote on. */
const [unsureFrom, unsureTo] = [0.05, 0.95];

/**
 * What a slice takes from its neighbour's `probability`, `size` x `size`: each pixel the mean over every second pixel (as on a chessboard) of
 * the square up to `reach` away, weighted by exp(-(mean square difference of the 3 x 3 patches, in grey steps 0..255) / contrast^2 -
 * distance^2 / (2 nearness^2)). `smoothed`, `neighbour`: the two slices in the same region, smoothed, 0..1, their borders repeated. Where all
 * around is sure, or no patch is like, a pixel keeps its own value.
 */
export function transferred(
  smoothed: Float64Array, neighbour: Float64Array, probability: Float32Array, size: number, { reach, contrast, nearness }: TransferSettings,
): Float32Array {
  const out = Float32Array.from(probability);
  const unsure = unsureAround(probability, size, reach);
  const [grey, near] = [padded(smoothed, size), padded(neighbour, size)];
  const most = Math.floor(9 * (far * contrast) ** 2);
  const likeness = Float64Array.from({ length: most + 1 }, (_, square) => Math.exp(-square / (9 * contrast * contrast)));
  const nearby = Float64Array.from({ length: 2 * reach * reach + 1 }, (_, square) => Math.exp(-square / (2 * nearness * nearness)));
  const wide = size + 2;
  for (let row = 0; row < size; row++) {
    for (let col = 0; col < size; col++) {
      if (unsure[row * size + col] === 0) continue;
      const here = row * wide + col;
      const [top, bottom] = [Math.max(row - reach, 0), Math.min(row + reach, size - 1)];
      const [left, right] = [Math.max(col - reach, 0), Math.min(col + reach, size - 1)];
      let weights = 0;
      let total = 0;
      for (let y = top; y <= bottom; y++) {
        const dy = y - row;
        for (let x = left + ((left - col + dy) & 1); x <= right; x += 2) {
          const square = difference(grey, here, near, y * wide + x, wide);
          if (square > most) continue;
          const dx = x - col;
          const weight = likeness[square] * nearby[dy * dy + dx * dx];
          weights += weight;
          total += weight * probability[y * size + x];
        }
      }
      if (weights > 0) out[row * size + col] = total / weights;
    }
  }
  return out;
}

/** Sum of the squares of the differences of two patches of 3 x 3, given by their first pixels. */
function difference(a: Int32Array, atA: number, b: Int32Array, atB: number, wide: number): number {
  let sum = 0;
  for (let row = 0; row < 3; row++, atA += wide, atB += wide) {
    const first = a[atA] - b[atB];
    const second = a[atA + 1] - b[atB + 1];
    const third = a[atA + 2] - b[atB + 2];
    sum += first * first + second * second + third * third;
  }
  return sum;
}

/** Grey steps 0..255, the border repeated once on every side: [size + 2, size + 2]. */
function padded(smoothed: Float64Array, size: number): Int32Array {
  const wide = size + 2;
  const out = new Int32Array(wide * wide);
  const inside = (n: number) => Math.min(Math.max(n - 1, 0), size - 1);
  for (let row = 0; row < wide; row++) {
    for (let col = 0; col < wide; col++) {
      out[row * wide + col] = Math.min(255, Math.max(0, Math.floor(smoothed[inside(row) * size + inside(col)] * 255 + 0.5)));
    }
  }
  return out;
}

/** 1 where the square up to `reach` around a pixel is not all sure of the same, by a table of sums. */
function unsureAround(probability: Float32Array, size: number, reach: number): Uint8Array {
  const low = sums(probability.map((p) => (p < unsureFrom ? 1 : 0)), size);
  const high = sums(probability.map((p) => (p > unsureTo ? 1 : 0)), size);
  const out = new Uint8Array(size * size);
  for (let row = 0; row < size; row++) {
    const [top, bottom] = [Math.max(row - reach, 0) * (size + 1), Math.min(row + reach + 1, size) * (size + 1)];
    for (let col = 0; col < size; col++) {
      const [left, right] = [Math.max(col - reach, 0), Math.min(col + reach + 1, size)];
      const all = ((bottom - top) / (size + 1)) * (right - left);
      const within = (table: Int32Array) => table[bottom + right] - table[bottom + left] - table[top + right] + table[top + left];
      if (within(low) < all && within(high) < all) out[row * size + col] = 1;
    }
  }
  return out;
}

/** [size + 1, size + 1]: at (row, col) the sum of all that lies above and left of it. */
function sums(map: Float32Array, size: number): Int32Array {
  const wide = size + 1;
  const table = new Int32Array(wide * wide);
  for (let row = 0; row < size; row++) {
    let sum = 0;
    for (let col = 0; col < size; col++) {
      sum += map[row * size + col];
      table[(row + 1) * wide + col + 1] = table[row * wide + col + 1] + sum;
    }
  }
  return table;
}
