/** How a robot user works on one object of one scan, whatever answers: the engine itself or a server over HTTP. */
import type { SliceClick } from "../engine/protocol.js";

export interface PlacedClick extends SliceClick {
  readonly slice: number;
}

export interface Seconds {
  readonly click: number;
  readonly propagate: number;
  readonly fuse: number;
}

export interface Answer {
  /** Grid of the image, i fastest, not zero = object. */
  readonly mask: Uint8Array;
  readonly seconds: Seconds;
  /** Slices for which fusion kept the result of the round before. */
  readonly kept: number;
  /** Slices that the propagation decoded. */
  readonly propagated: number;
}

export interface Interact {
  /**
   * Answers all clicks so far, in the order clicked. Consecutive clicks on one slice are one round.
   * `propagate: false`: only the slice of the last click has to be right (a look before the round is finished).
   */
  segment(clicks: readonly PlacedClick[], options: { readonly propagate: boolean }): Promise<Answer>;
}

export interface Draws {
  /** Answers outlines: `truth` on these slices, in the order drawn. */
  draw(truth: Uint8Array, slices: readonly number[]): Promise<Answer>;
}
