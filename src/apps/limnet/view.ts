/**
 * The square view: what a network sees of a slice, and the way back.
 *
 * Every network of the lite family looks at a square of the slice, resampled to a fixed side; outside the slice is 0.
 * training/limnet_training/view.py is the same arithmetic; a test holds both against one fixture.
 */

/** Square region of a slice in pixels, may be fractional and may reach beyond the slice. Pixel (r, c) covers [r, r+1) x [c, c+1). */
export interface View {
  readonly row: number;
  readonly col: number;
  readonly side: number;
}

/** A slice or a map over it, row-major. */
export interface Plane<T extends ArrayLike<number> = Float32Array> {
  readonly data: T;
  readonly rows: number;
  readonly cols: number;
}

interface Taps {
  readonly start: Int32Array;
  readonly count: Int32Array;
  readonly weight: Float64Array;
  readonly width: number;
}

/** Triangle filter, widened when shrinking (so nothing aliases), half-pixel centres. Taps outside [0, length) are dropped: zero outside. */
function taps(origin: number, side: number, size: number, length: number): Taps {
  const scale = side / size;
  const support = Math.max(1, scale);
  const width = Math.ceil(support * 2) + 2;
  const start = new Int32Array(size);
  const count = new Int32Array(size);
  const weight = new Float64Array(size * width);
  for (let o = 0; o < size; o++) {
    const centre = origin + (o + 0.5) * scale;
    const first = Math.floor(centre - support);
    let sum = 0;
    const all: number[] = [];
    for (let n = 0; n < width; n++) {
      const w = Math.max(0, 1 - Math.abs(first + n + 0.5 - centre) / support);
      all.push(w);
      sum += w;
    }
    let used = 0;
    for (let n = 0; n < width; n++) {
      const index = first + n;
      if (index < 0 || index >= length) continue;
      if (used === 0) start[o] = index;
      weight[o * width + used] = all[n] / sum;
      used++;
    }
    count[o] = used;
  }
  return { start, count, weight, width };
}

/** The view of a plane, `size` x `size`. */
export function extract(plane: Plane<ArrayLike<number>>, view: View, size: number): Float32Array {
  const { data, rows, cols } = plane;
  const v = taps(view.row, view.side, size, rows);
  const h = taps(view.col, view.side, size, cols);
  let top = rows;
  let bottom = 0;
  for (let o = 0; o < size; o++) {
    if (v.count[o] === 0) continue;
    top = Math.min(top, v.start[o]);
    bottom = Math.max(bottom, v.start[o] + v.count[o]);
  }
  const out = new Float32Array(size * size);
  if (bottom <= top) return out;
  const narrow = new Float64Array((bottom - top) * size);
  for (let r = top; r < bottom; r++) {
    for (let o = 0; o < size; o++) {
      let sum = 0;
      const base = r * cols + h.start[o];
      for (let n = 0; n < h.count[o]; n++) sum += data[base + n] * h.weight[o * h.width + n];
      narrow[(r - top) * size + o] = sum;
    }
  }
  const line = new Float64Array(size);
  for (let o = 0; o < size; o++) {
    line.fill(0);
    for (let n = 0; n < v.count[o]; n++) {
      const w = v.weight[o * v.width + n];
      const base = (v.start[o] + n - top) * size;
      for (let c = 0; c < size; c++) line[c] += narrow[base + c] * w;
    }
    out.set(line, o * size);
  }
  return out;
}

/** Writes a map of the view back into a plane: bilinear, half-pixel centres, edges clamped. Pixels whose centre is outside the view stay. */
export function paste(map: Float32Array, size: number, view: View, plane: Plane): void {
  const { data, rows, cols } = plane;
  const scale = size / view.side;
  const r0 = Math.max(0, Math.ceil(view.row - 0.5));
  const r1 = Math.min(rows - 1, Math.floor(view.row + view.side - 0.5));
  const c0 = Math.max(0, Math.ceil(view.col - 0.5));
  const c1 = Math.min(cols - 1, Math.floor(view.col + view.side - 0.5));
  for (let r = r0; r <= r1; r++) {
    const y = Math.min(size - 1, Math.max(0, (r + 0.5 - view.row) * scale - 0.5));
    const y0 = Math.floor(y);
    const y1 = Math.min(size - 1, y0 + 1);
    const fy = y - y0;
    for (let c = c0; c <= c1; c++) {
      const x = Math.min(size - 1, Math.max(0, (c + 0.5 - view.col) * scale - 0.5));
      const x0 = Math.floor(x);
      const x1 = Math.min(size - 1, x0 + 1);
      const fx = x - x0;
      const above = map[y0 * size + x0] * (1 - fx) + map[y0 * size + x1] * fx;
      const below = map[y1 * size + x0] * (1 - fx) + map[y1 * size + x1] * fx;
      data[r * cols + c] = above * (1 - fy) + below * fy;
    }
  }
}

/** Position of a pixel's centre in the view, in view pixels (pixel centres at whole numbers). */
export function toView(row: number, col: number, view: View, size: number): { row: number; col: number } {
  const scale = size / view.side;
  return { row: (row + 0.5 - view.row) * scale - 0.5, col: (col + 0.5 - view.col) * scale - 0.5 };
}
