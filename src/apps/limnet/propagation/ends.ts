/**
 * Where an object ends whose slices were outlined by hand. The areas of an ellipsoid's cross-sections lie on a parabola: where the one through
 * three or more outlines (least squares) comes down to nothing, the object is at its end. Areas of clicked slices jump too much for it
 * (docs/training.md). Not in the paper.
 */
import { maskFrom, quantise } from "./plane.js";

/** So much farther than the parabola says, in shares of the way beyond the outermost outline, and in slices. */
const [slackShare, slackSlices] = [0.25, 1];
const fewest = 3;
/** Outlines closer together than so many slices each say nothing of the ends: a few pixels more or less bend the parabola. */
const leastSpread = 2;

/**
 * The first slices beyond the object on its two sides, where they can be told; they may lie outside the volume. `prompts`: probabilities 0..1 by
 * slice; `drawn`: those of them that are outlines. A side where a clicked prompt holds the object, or a wall stands, is left to those,
 * and so is one whose end would lie farther away than the outlines are from each other.
 */
export function endsOf(prompts: ReadonlyMap<number, Float32Array>, drawn: ReadonlySet<number>): number[] {
  const areas = [...prompts].filter(([slice]) => drawn.has(slice)).map(([slice, map]) => ({ slice, area: areaOf(map) })).filter(({ area }) => area > 0);
  if (areas.length < fewest) return [];
  const roots = rootsOf(areas);
  if (roots === null) return [];
  const slices = [...prompts.keys()];
  const outlined = areas.map(({ slice }) => slice);
  const reach = Math.max(...outlined) - Math.min(...outlined);
  if (reach < leastSpread * areas.length) return [];
  return ([[-1, Math.min(...outlined), roots[0]], [1, Math.max(...outlined), roots[1]]] as const).flatMap(([step, outermost, root]) => {
    if (slices.some((slice) => (slice - outermost) * step > 0) || (root - outermost) * step > reach) return [];
    const way = Math.max(0, (root - outermost) * step) * (1 + slackShare) + slackSlices;
    return [outermost + step * Math.ceil(way - 1e-6)];
  });
}

const areaOf = (map: Float32Array) => map.reduce((sum, p) => sum + Number(quantise(p) >= maskFrom), 0);

/** Where the parabola through the areas (least squares) is zero, ascending; null where it has no such top. */
function rootsOf(areas: readonly { readonly slice: number; readonly area: number }[]): [number, number] | null {
  const middle = areas.reduce((sum, { slice }) => sum + slice, 0) / areas.length;
  const sum = (power: number, weigh = (_: number) => 1) => areas.reduce((total, { slice, area }) => total + (slice - middle) ** power * weigh(area), 0);
  const [s1, s2, s3, s4] = [1, 2, 3, 4].map((power) => sum(power));
  const [t0, t1, t2] = [0, 1, 2].map((power) => sum(power, (area) => area));
  const n = areas.length;
  // Cramer's rule for the normal equations of c0 + c1 z + c2 z^2.
  const by = (a: readonly number[], b: readonly number[], c: readonly number[]) =>
    a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0]) + a[2] * (b[0] * c[1] - b[1] * c[0]);
  const [u, v, w, t] = [[n, s1, s2], [s1, s2, s3], [s2, s3, s4], [t0, t1, t2]];
  const all = by(u, v, w);
  if (Math.abs(all) < 1e-9) return null;
  const [c0, c1, c2] = [by(t, v, w) / all, by(u, t, w) / all, by(u, v, t) / all];
  const inside = c1 * c1 - 4 * c2 * c0;
  if (c2 >= 0 || inside <= 0) return null;
  const root = Math.sqrt(inside) / (2 * -c2);
  const top = c1 / (-2 * c2);
  return [middle + top - root, middle + top + root];
}
