/**
 * The neighbour's mask carried over by like patches (patch-based label fusion: Coupé et al., NeuroImage 2011). The memory is read in cells of
 * 8 pixels, in which a thin wall drowns; patches of 3 pixels see it move. training/limnet_training/transfer.py is the same arithmetic.
 */
import { greySteps } from "../denoise.js";
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
  smoothed: Float64Array, neighbour: Float64Array, probability: Float32Array, size: number, settings: TransferSettings,
): Float32Array {
  const out = Float32Array.from(probability);
  const unsure = unsureAround(probability, size, settings.reach);
  const votes = new Votes(padded(smoothed, size), padded(neighbour, size), probability, size, settings);
  for (let row = 0; row < size; row++) {
    const end = (row + 1) * size;
    let from = unsure.indexOf(1, row * size);
    while (from >= 0 && from < end) {
      let to = from;
      while (to < end && unsure[to] === 1) to++;
      votes.run(row, from - row * size, to - 1 - row * size, out);
      from = unsure.indexOf(1, to);
    }
  }
  return out;
}

/** The votes on runs of pixels of one row. Patches of neighbours share columns, so these are summed once; plain loops, the innermost of a slice. */
class Votes {
  readonly #likeness: Float64Array;
  readonly #nearby: Float64Array;
  readonly #weights: Float64Array;
  readonly #totals: Float64Array;

  constructor(
    private readonly grey: Int32Array, private readonly near: Int32Array, private readonly probability: Float32Array,
    private readonly size: number, private readonly settings: TransferSettings,
  ) {
    const { reach, contrast, nearness } = settings;
    const most = Math.floor(9 * (far * contrast) ** 2);
    this.#likeness = Float64Array.from({ length: most + 1 }, (_, square) => Math.exp(-square / (9 * contrast * contrast)));
    this.#nearby = Float64Array.from({ length: 2 * reach * reach + 1 }, (_, square) => Math.exp(-square / (2 * nearness * nearness)));
    this.#weights = new Float64Array(size);
    this.#totals = new Float64Array(size);
  }

  /** Pixels `from` to `to` of a row of `out`. */
  run(row: number, from: number, to: number, out: Float32Array): void {
    const { size, settings: { reach } } = this;
    this.#weights.fill(0, from, to + 1);
    this.#totals.fill(0, from, to + 1);
    for (let y = Math.max(row - reach, 0); y <= Math.min(row + reach, size - 1); y++) {
      for (let dx = ((y - row + reach) & 1) - reach; dx <= reach; dx += 2) {
        this.#offset(row, y, dx, Math.max(from, -dx), Math.min(to, size - 1 - dx));
      }
    }
    for (let col = from; col <= to; col++) {
      if (this.#weights[col] > 0) out[row * size + col] = this.#totals[col] / this.#weights[col];
    }
  }

  /** The votes of the pixels `dx` beside them in row `y` of the neighbour. */
  #offset(row: number, y: number, dx: number, from: number, to: number): void {
    const { grey, near, probability, size } = this;
    const likeness = this.#likeness;
    const weights = this.#weights;
    const totals = this.#totals;
    const wide = size + 2;
    const nearby = this.#nearby[(y - row) ** 2 + dx * dx];
    let here = row * wide + from;
    let there = y * wide + from + dx;
    let left = 0;
    let middle = 0;
    // Two columns of the first patch, then one more for each pixel.
    for (let col = from - 2; col <= to; col++, here++, there++) {
      const first = grey[here] - near[there];
      const second = grey[here + wide] - near[there + wide];
      const third = grey[here + 2 * wide] - near[there + 2 * wide];
      const right = first * first + second * second + third * third;
      const square = left + middle + right;
      left = middle;
      middle = right;
      if (col < from || square >= likeness.length) continue;
      const weight = likeness[square] * nearby;
      weights[col] += weight;
      totals[col] += weight * probability[y * size + col + dx];
    }
  }
}

/** Grey steps 0..255, the border repeated once on every side: [size + 2, size + 2]. */
function padded(smoothed: Float64Array, size: number): Int32Array {
  const wide = size + 2;
  const grey = greySteps(smoothed);
  const out = new Int32Array(wide * wide);
  const inside = (n: number) => Math.min(Math.max(n - 1, 0), size - 1);
  for (let row = 0; row < wide; row++) {
    for (let col = 0; col < wide; col++) {
      out[row * wide + col] = grey[inside(row) * size + inside(col)];
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
    const top = Math.max(row - reach, 0);
    const bottom = Math.min(row + reach + 1, size);
    for (let col = 0; col < size; col++) {
      const left = Math.max(col - reach, 0);
      const right = Math.min(col + reach + 1, size);
      const all = (bottom - top) * (right - left);
      if (within(low, size, top, bottom, left, right) < all && within(high, size, top, bottom, left, right) < all) out[row * size + col] = 1;
    }
  }
  return out;
}

/** Sum of a table's rectangle, its last row and column not in it. */
function within(table: Int32Array, size: number, top: number, bottom: number, left: number, right: number): number {
  const above = top * (size + 1);
  const below = bottom * (size + 1);
  return table[below + right] - table[below + left] - table[above + right] + table[above + left];
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
