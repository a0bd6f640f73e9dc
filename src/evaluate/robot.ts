/** The robot user of the specification's 1.8: clicks the innermost pixel of the largest error of a slice. */
import type { SliceClick } from "../engine/protocol.js";
import type { Pixel } from "../imaging/geometry.js";
import { depth } from "../imaging/distance.js";

/** A binary slice, row-major, not zero = object. */
export interface BinarySlice {
  readonly data: ArrayLike<number>;
  readonly rows: number;
  readonly cols: number;
}

interface Peak {
  readonly value: number;
  readonly index: number;
}

/** The first pixel in row-major order that lies deepest in `error`, apart from those clicked before. */
function deepest(error: Uint8Array, rows: number, cols: number, clicked: ReadonlySet<number>): Peak {
  const distance = depth(error, rows, cols);
  let value = 0;
  let index = -1;
  for (let i = 0; i < distance.length; i++) {
    if (distance[i] > value && !clicked.has(i)) {
      value = distance[i];
      index = i;
    }
  }
  return { value, index };
}

/**
 * The next click that corrects `mask` towards `truth`: positive in the missed part or negative in the surplus, whichever is deeper
 * (a tie goes to negative). Null where nothing is left to correct. Squared distances are whole numbers, so that ties are decided
 * alike in every language.
 */
export function nextClick(truth: BinarySlice, mask: ArrayLike<number>, before: readonly Pixel[] = []): SliceClick | null {
  const { data, rows, cols } = truth;
  const missed = new Uint8Array(rows * cols);
  const surplus = new Uint8Array(rows * cols);
  for (let i = 0; i < missed.length; i++) {
    missed[i] = data[i] && !mask[i] ? 1 : 0;
    surplus[i] = mask[i] && !data[i] ? 1 : 0;
  }
  const clicked = new Set(before.map(({ row, col }) => row * cols + col));
  const inMissed = deepest(missed, rows, cols, clicked);
  const inSurplus = deepest(surplus, rows, cols, clicked);
  const positive = inMissed.value > inSurplus.value;
  const { index } = positive ? inMissed : inSurplus;
  return index < 0 ? null : { row: Math.floor(index / cols), col: index % cols, positive };
}
