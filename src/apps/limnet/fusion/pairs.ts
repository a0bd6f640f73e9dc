/** What the quality network sees (paper 2.3, specification 3.2): a crop of slice, previous mask and current mask. */
import { type Box, boxAbove, squareAround } from "../click/zoom.js";
import type { NetworkSettings } from "../networks.js";
import { extract, type Plane, type View } from "../view.js";

/** Stored probabilities (uint8) are a mask from here on. */
export const maskFrom = 128;

/** Smallest box around both; null only where both are null. */
export function union(a: Box | null, b: Box | null): Box | null {
  if (a === null || b === null) return a ?? b;
  return {
    top: Math.min(a.top, b.top), left: Math.min(a.left, b.left),
    bottom: Math.max(a.bottom, b.bottom), right: Math.max(a.right, b.right),
  };
}

/** The square that holds both masks; null where both are empty. Planes hold stored probabilities (0..255). */
export function pairView(previous: Plane<Uint8Array>, current: Plane<Uint8Array>, settings: NetworkSettings["quality"]): View | null {
  const box = union(boxAbove(previous, maskFrom - 1), boxAbove(current, maskFrom - 1));
  return box === null ? null : squareAround(box, settings, Math.max(current.rows, current.cols));
}

/**
 * Writes one pair, 3 x size x size, into `out` at `offset`: slice 0..1, previous mask 0/1, current mask 0/1.
 * `slice`: grey 0..255; `previous`, `current`: stored probabilities 0..255. Masks are cut out as 0/1, then thresholded again.
 */
export function writePair(
  out: Float32Array, offset: number, slice: Plane<Uint8Array>, previous: Plane<Uint8Array>, current: Plane<Uint8Array>,
  view: View, size: number,
): void {
  const area = size * size;
  const grey = extract(slice, view, size);
  for (let i = 0; i < area; i++) out[offset + i] = grey[i] / 255;
  [previous, current].forEach((plane, n) => {
    const mask = Uint8Array.from(plane.data, (p) => (p >= maskFrom ? 1 : 0));
    const cut = extract({ ...plane, data: mask }, view, size);
    for (let i = 0; i < area; i++) out[offset + (n + 1) * area + i] = cut[i] >= 0.5 ? 1 : 0;
  });
}
