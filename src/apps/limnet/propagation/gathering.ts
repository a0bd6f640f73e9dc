/** Puts the results of all directions together: a slice is final when the shares of those that reach it add up to 1. */
import { hasMask, maskFrom, type StoredPlane } from "./plane.js";

/** What one direction gave for a slice, kept until the other one is known. */
interface Part {
  readonly plane: StoredPlane;
  readonly share: number;
  readonly reached: boolean;
}

export class Gathering {
  readonly planes: StoredPlane[];
  /** 0 (the same mask) to 1 (nothing in common), of slices that two directions reached and where at least one found the object. */
  readonly disagreement = new Map<number, number>();
  readonly #parts = new Map<number, Part>();
  readonly #onSlice?: (index: number, plane: StoredPlane, done: number) => void;
  readonly #settled: Uint8Array;
  #done = 0;

  constructor(count: number, onSlice?: (index: number, plane: StoredPlane, done: number) => void) {
    this.planes = new Array<StoredPlane>(count).fill(null);
    this.#settled = new Uint8Array(count);
    this.#onSlice = onSlice;
  }

  /** A final slice. */
  settle(index: number, plane: StoredPlane): void {
    this.planes[index] = plane;
    this.#settled[index] = 1;
    this.#done++;
    this.#onSlice?.(index, plane, this.#done);
  }

  /** A direction's result for a slice that it looked at. Null: nothing found. */
  add(index: number, plane: StoredPlane, share: number): void {
    this.#take(index, { plane, share, reached: true });
  }

  /** A direction ended before this slice. */
  miss(index: number, share: number): void {
    this.#take(index, { plane: null, share, reached: false });
  }

  #take(index: number, part: Part): void {
    const { plane, share } = part;
    if (share === 1) {
      this.settle(index, plane);
      return;
    }
    const other = this.#parts.get(index);
    if (other === undefined) {
      this.#parts.set(index, part);
      return;
    }
    this.#parts.delete(index);
    const apart = part.reached && other.reached ? apartness(plane, other.plane) : null;
    if (apart !== null) this.disagreement.set(index, apart);
    this.settle(index, together(part, other));
  }

  /** All the rest is empty. */
  finish(): void {
    for (let i = 0; i < this.planes.length; i++) if (this.#settled[i] === 0) this.settle(i, null);
  }
}

/** 1 - Dice of the two masks, to four digits; null where both are empty. */
function apartness(a: StoredPlane, b: StoredPlane): number | null {
  let both = 0;
  let sum = 0;
  const length = (a ?? b)?.length ?? 0;
  for (let i = 0; i < length; i++) {
    const inA = a !== null && a[i] >= maskFrom;
    const inB = b !== null && b[i] >= maskFrom;
    if (inA && inB) both++;
    sum += Number(inA) + Number(inB);
  }
  return sum === 0 ? null : Math.round((1 - (2 * both) / sum) * 1e4) / 1e4;
}

/**
 * Both sides of a gap hold the object, so it is most likely there all the way: a direction that found nothing, or ended on its
 * way, has lost it, and does not outvote the other.
 */
function together(a: Part, b: Part): StoredPlane {
  const [inA, inB] = [hasMask(a.plane), hasMask(b.plane)];
  if (inA !== inB) return inA ? a.plane : b.plane;
  return mixed(a.plane, a.share, b.plane, b.share);
}

function mixed(a: StoredPlane, shareA: number, b: StoredPlane, shareB: number): StoredPlane {
  if (a === null && b === null) return null;
  const out = new Uint8Array((a ?? b)!.length);
  for (let i = 0; i < out.length; i++) {
    const fromA = a === null ? 0 : a[i] * shareA;
    const fromB = b === null ? 0 : b[i] * shareB;
    out[i] = Math.round(fromA + fromB);
  }
  return out;
}
