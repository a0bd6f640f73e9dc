/**
 * Outlines of an object on one slice, by marching squares: they run halfway between the centres of object pixels and of
 * others, so that exactly the centres of the object lie inside, and areas come out right (corners cut and filled in turn).
 *
 * Coordinates are doubled to stay whole: the centre of pixel (col, row) is (2 col, 2 row).
 */
export type Loop = readonly (readonly [x: number, y: number])[];

/**
 * Closed loops of a plane (row-major, non-zero = object), without straight-on points: outer outlines clockwise as the
 * image is seen, holes the other way. Pixels that touch by a corner only are two objects.
 */
export function trace(plane: Uint8Array, cols: number, rows: number): Loop[] {
  const width = 2 * cols + 2;
  const key = (x: number, y: number) => (y + 1) * width + x + 1;
  const next = new Map<number, number>();
  const at = (x: number, y: number) => (x >= 0 && y >= 0 && x < cols && y < rows && plane[y * cols + x] !== 0 ? 1 : 0);
  for (let y = -1; y < rows; y++) {
    let left = (at(-1, y) << 1) | at(-1, y + 1);
    for (let x = -1; x < cols; x++) {
      const right = (at(x + 1, y) << 1) | at(x + 1, y + 1);
      const code = ((left & 2) << 2) | ((right & 2) << 1) | ((right & 1) << 1) | (left & 1);
      left = right;
      if (code === 0 || code === 15) continue;
      const [t, r, b, l] = [key(2 * x + 1, 2 * y), key(2 * x + 2, 2 * y + 1), key(2 * x + 1, 2 * y + 2), key(2 * x, 2 * y + 1)];
      for (const [from, to] of steps(code, t, r, b, l)) next.set(from, to);
    }
  }
  const loops: Loop[] = [];
  for (const start of next.keys()) {
    const points: [number, number][] = [];
    for (let here = start; next.has(here);) {
      points.push([(here % width) - 1, Math.floor(here / width) - 1]);
      const there = next.get(here) as number;
      next.delete(here);
      here = there;
    }
    if (points.length > 0) loops.push(straighten(points));
  }
  return loops;
}

/** Pieces of outline in a square between four pixel centres; bits of the code: 8 top left, 4 top right, 2 bottom right, 1 bottom left. */
function steps(code: number, t: number, r: number, b: number, l: number): [number, number][] {
  switch (code) {
    case 1: return [[l, b]];
    case 2: return [[b, r]];
    case 3: return [[l, r]];
    case 4: return [[r, t]];
    case 5: return [[r, t], [l, b]];
    case 6: return [[b, t]];
    case 7: return [[l, t]];
    case 8: return [[t, l]];
    case 9: return [[t, b]];
    case 10: return [[t, l], [b, r]];
    case 11: return [[t, r]];
    case 12: return [[r, l]];
    case 13: return [[r, b]];
    default: return [[b, l]];
  }
}

function straighten(points: readonly (readonly [number, number])[]): Loop {
  return points.filter(([x, y], n) => {
    const [px, py] = points[(n + points.length - 1) % points.length];
    const [qx, qy] = points[(n + 1) % points.length];
    return (x - px) * (qy - y) !== (y - py) * (qx - x);
  });
}

/** Twice the area of a loop in doubled coordinates (8 a pixel): positive for outer outlines, negative for holes. */
export function area(loop: Loop): number {
  return loop.reduce((sum, [x, y], n) => {
    const [qx, qy] = loop[(n + 1) % loop.length];
    return sum + x * qy - qx * y;
  }, 0);
}
