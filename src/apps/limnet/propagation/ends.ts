/**
 * Where an object has surely ended beyond its outermost prompts, told by how its area changes over them. Not in the paper: the network
 * often copies a mask on, slice by slice, past an end that the image hardly shows (docs/training.md has the comparison).
 */

export interface Outline {
  readonly slice: number;
  /** Pixels of the object on it, above 0. */
  readonly area: number;
}

/** Slices that are empty, with all beyond them; -Infinity and Infinity where the prompts say nothing. */
export interface Ends {
  readonly low: number;
  readonly high: number;
}

const open: Ends = { low: -Infinity, high: Infinity };

/** Fewer outlines than this have no curve, and outlines within fewer slices none to rely on: single clicks leave areas that jump. */
const fewest = 3;
const leastLength = 6;
/** A side tapers off where its outermost outline has no more than this share of the largest. */
const tapering = 0.92;
/** How much further than the curve says an object may reach, and that by at least a tenth of what lies between its prompts. */
const slack = 1.25;
const leastShare = 0.1;

/**
 * The area of a cross-section of an ellipsoid is a parabola along its axis: where the parabola through the outlines (least squares) comes down to nothing,
 * a round object ends. It is given a quarter more, and a slice. An object of the same width all along, one that widens, and one with a waist have no such
 * curve, and run on as far as the network carries them; so does a side whose outermost outline is hardly smaller than the largest.
 */
export function taperedEnds(outlines: readonly Outline[]): Ends {
  if (outlines.length < fewest) return open;
  const slices = outlines.map(({ slice }) => slice);
  const [first, last] = [Math.min(...slices), Math.max(...slices)];
  const length = last - first;
  const roots = length < leastLength ? null : parabolaRoots(outlines.map(({ slice, area }) => [slice - first, area]));
  if (roots === null) return open;
  const most = tapering * Math.max(...outlines.map(({ area }) => area));
  const tapers = (at: number) => outlines.some(({ slice, area }) => slice === at && area <= most);
  const reach = (beyond: number) => Math.floor(1 + slack * Math.max(beyond, leastShare * length)) + 1;
  return {
    low: tapers(first) ? first - reach(-roots[0]) : -Infinity,
    high: tapers(last) ? last + reach(roots[1] - length) : Infinity,
  };
}

/** Zeros of the parabola of least squares through (x, y), ascending. Null where it opens upward, or never comes down to zero. */
function parabolaRoots(points: readonly (readonly [number, number])[]): [number, number] | null {
  const power = (n: number, m: 0 | 1) => points.reduce((sum, [x, y]) => sum + x ** n * y ** m, 0);
  const s = [0, 1, 2, 3, 4].map((n) => power(n, 0));
  const t = [0, 1, 2].map((n) => power(n, 1));
  const solve = (column: number) => determinant([0, 1, 2].map((r) => [0, 1, 2].map((c) => (c === column ? t[r] : s[r + c]))));
  const whole = solve(-1);
  if (whole <= 0) return null;
  const [c, b, a] = [0, 1, 2].map((column) => solve(column) / whole);
  const under = b * b - 4 * a * c;
  if (!(a < 0) || !(under > 0)) return null;
  const root = Math.sqrt(under);
  return [(-b + root) / (2 * a), (-b - root) / (2 * a)];
}

function determinant([[a, b, c], [d, e, f], [g, h, i]]: number[][]): number {
  return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
}
