/**
 * Holes without a second contour: the outline runs along a line to the hole, round it, and back on the same line (the
 * keyhole of PS3.3 C.8.8.6.3). The line lies between two rows of pixel centres, so that no centre is on it.
 */
import { area, type Loop } from "./outline.js";

type Point = readonly [x: number, y: number];

/** A hole that hangs on a side of its parent loop, at a point on this side. */
interface Bridge {
  readonly hole: number;
  /** Index of the hole's point where the bridge ends. */
  readonly entry: number;
  readonly side: number;
  readonly at: Point;
}

/** Sides of loops by the odd y that they meet. */
type Rows = ReadonlyMap<number, readonly { readonly loop: number; readonly side: number }[]>;

/** One closed polygon per outer loop, its holes joined to it. Loops as `trace` gives them. */
export function joinHoles(loops: readonly Loop[]): Loop[] {
  const holes = [...loops.keys()].filter((at) => area(loops[at]) < 0);
  if (holes.length === 0) return [...loops];
  const rows = sidesByRow(loops);
  const hanging: Bridge[][] = loops.map(() => []);
  for (const hole of holes) {
    const { parent, bridge } = findBridge(loops, rows, hole);
    hanging[parent].push(bridge);
  }
  return [...loops.keys()].filter((at) => area(loops[at]) > 0).map((at) => walk(loops, hanging, at, 0));
}

function sidesByRow(loops: readonly Loop[]): Rows {
  const rows = new Map<number, { loop: number; side: number }[]>();
  for (const [loop, points] of loops.entries()) {
    for (const [side, [, y]] of points.entries()) {
      const other = points[(side + 1) % points.length][1];
      const [low, high] = [Math.min(y, other), Math.max(y, other)];
      for (let row = low % 2 === 0 ? low + 1 : low; row <= high; row += 2) {
        const sides = rows.get(row) ?? [];
        if (sides.length === 0) rows.set(row, sides);
        sides.push({ loop, side });
      }
    }
  }
  return rows;
}

/** From the hole's topmost point (the leftmost of them) to the left, until a loop is met. Its y is odd: between two rows. */
function findBridge(loops: readonly Loop[], rows: Rows, hole: number): { parent: number; bridge: Bridge } {
  const points = loops[hole];
  let entry = 0;
  for (const [at, [x, y]] of points.entries()) {
    const [bx, by] = points[entry];
    if (y < by || (y === by && x < bx)) entry = at;
  }
  const [fromX, y] = points[entry];
  let best: { parent: number; bridge: Bridge } | null = null;
  for (const { loop, side } of rows.get(y) ?? []) {
    if (loop === hole) continue;
    const [ax, ay] = loops[loop][side];
    const [bx, by] = loops[loop][(side + 1) % loops[loop].length];
    // A side that lies on the line is met at its right end.
    const x = ay === by ? Math.max(ax, bx) : ax + ((bx - ax) * (y - ay)) / (by - ay);
    if (x < fromX && (best === null || x > best.bridge.at[0])) best = { parent: loop, bridge: { hole, entry, side, at: [x, y] } };
  }
  if (best === null) throw new RangeError("a hole that no outline surrounds");
  return best;
}

/** The points of a loop from `start` on and back to it, with everything that hangs on its sides. */
function walk(loops: readonly Loop[], hanging: readonly (readonly Bridge[])[], loop: number, start: number): Loop {
  const points = loops[loop];
  const out: Point[] = [];
  for (let n = 0; n < points.length; n++) {
    const side = (start + n) % points.length;
    const [x, y] = points[side];
    out.push(points[side]);
    const along = ({ at }: Bridge) => Math.abs(at[0] - x) + Math.abs(at[1] - y);
    for (const { hole, entry, at } of hanging[loop].filter((bridge) => bridge.side === side).sort((a, b) => along(a) - along(b))) {
      const around = walk(loops, hanging, hole, entry);
      out.push(at, ...around, around[0], at);
    }
  }
  return out;
}
