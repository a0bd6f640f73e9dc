/** Which square of the slice the click network looks at (RITM's ZoomIn, specification 1.7, for square views). */
import type { Pixel } from "../../../imaging/geometry.js";
import type { NetworkSettings } from "../networks.js";
import type { Plane, View } from "../view.js";

export type ZoomSettings = NetworkSettings["click"]["zoom"];

/** Smallest box of pixels; bounds are inclusive. */
export interface Box {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

/** The square of the longer side, centred on the slice. */
export function wholeView(rows: number, cols: number): View {
  const side = Math.max(rows, cols);
  return { row: (rows - side) / 2, col: (cols - side) / 2, side };
}

/** Box around the pixels with value > threshold; null where there are none. */
export function boxAbove({ data, rows, cols }: Plane<ArrayLike<number>>, threshold: number): Box | null {
  let top = rows;
  let left = cols;
  let bottom = -1;
  let right = -1;
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) {
      if (!(data[r * cols + c] > threshold)) continue;
      if (top === rows) top = r;
      bottom = r;
      if (c < left) left = c;
      if (c > right) right = c;
    }
  }
  return bottom < 0 ? null : { top, left, bottom, right };
}

/** Square centred on a box: `expansion` x its longer side, at least `minSide`, at most `maxSide` (the longer side of the slice) pixels. */
export function squareAround(
  box: Box, { expansion, minSide }: { readonly expansion: number; readonly minSide: number }, maxSide: number,
): View {
  const longer = Math.max(box.bottom - box.top + 1, box.right - box.left + 1);
  const side = Math.min(Math.max(expansion * longer, minSide), maxSide);
  return { row: (box.top + box.bottom + 1 - side) / 2, col: (box.left + box.right + 1 - side) / 2, side };
}

/**
 * The view for the next run of the network. `previous`: probabilities of the slice (0..1); `positives`: all positive clicks of it.
 * Without a mask it is the whole slice. The stored view stays while it holds every positive click and still overlaps enough.
 */
export function chooseView(
  previous: Plane<ArrayLike<number>>, positives: readonly Pixel[], stored: View | null, settings: ZoomSettings,
): View {
  const { rows, cols } = previous;
  const mask = boxAbove(previous, 0.5);
  const wanted = mask === null ? wholeView(rows, cols) : squareAround(around(mask, positives), settings, Math.max(rows, cols));
  if (stored === null) return wanted;
  const keep = positives.every((click) => contains(stored, click)) && overlap(stored, wanted) >= settings.keepOverlap;
  return keep ? stored : wanted;
}

function around(box: Box, points: readonly Pixel[]): Box {
  let { top, left, bottom, right } = box;
  for (const { row, col } of points) {
    top = Math.min(top, row);
    bottom = Math.max(bottom, row);
    left = Math.min(left, col);
    right = Math.max(right, col);
  }
  return { top, left, bottom, right };
}

/** Whether the centre of the pixel lies in the view. */
function contains(view: View, { row, col }: Pixel): boolean {
  return row + 0.5 >= view.row && row + 0.5 < view.row + view.side && col + 0.5 >= view.col && col + 0.5 < view.col + view.side;
}

function intervalIou(a: number, aSide: number, b: number, bSide: number): number {
  const common = Math.max(0, Math.min(a + aSide, b + bSide) - Math.max(a, b));
  return common / (aSide + bSide - common);
}

/** IoU of the row intervals times IoU of the column intervals. */
export function overlap(a: View, b: View): number {
  return intervalIou(a.row, a.side, b.row, b.side) * intervalIou(a.col, a.side, b.col, b.side);
}
