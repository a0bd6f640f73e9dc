/** Puts the results of all directions together: a slice is final when the shares of those that reach it add up to 1. */
import type { StoredPlane } from "./plane.js";

export class Gathering {
  readonly planes: StoredPlane[];
  readonly #parts = new Map<number, { plane: StoredPlane; share: number }>();
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

  /** One direction's result for a slice. Null (nothing found, or never reached) counts as zeros with its share. */
  add(index: number, plane: StoredPlane, share: number): void {
    if (share === 1) {
      this.settle(index, plane);
      return;
    }
    const other = this.#parts.get(index);
    if (other === undefined) {
      this.#parts.set(index, { plane, share });
      return;
    }
    this.#parts.delete(index);
    this.settle(index, mixed(plane, share, other.plane, other.share));
  }

  /** All the rest is empty. */
  finish(): void {
    for (let i = 0; i < this.planes.length; i++) if (this.#settled[i] === 0) this.settle(i, null);
  }
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
