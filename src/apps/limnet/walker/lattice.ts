/** From slices to the lattice of the random walker: a block around the object, coarsened in the slice where it is large. */
import type { SliceSource } from "../propagation/features.js";
import type { StoredPlane } from "../propagation/plane.js";
import type { WalkerSettings } from "../networks.js";
import type { Lattice } from "./solve.js";

/** A block of slices: slices first .. first + depth - 1, rows and columns of the slice from `row`, `col`; a node covers `factor` x `factor` pixels. */
export interface Block {
  readonly first: number;
  readonly depth: number;
  readonly row: number;
  readonly col: number;
  readonly height: number;
  readonly width: number;
  readonly factor: number;
  /** Nodes: ceil(height / factor), ceil(width / factor). */
  readonly rows: number;
  readonly cols: number;
}

/** Probabilities below are not looked at when the block is laid (5 % of 255). */
const faint = 13;
const margin = 4;
/** Longest side of the lattice in a slice. */
const longest = 128;
/** Most nodes: beyond, the lattice is coarser still. Some 50 MB, and about two seconds for 40 steps. */
const most = 1_000_000;

/** The block around everything that is not faint, with a margin. Null: nothing there. */
export function blockAround(planes: readonly StoredPlane[], { rows, cols }: SliceSource): Block | null {
  let [first, last, top, bottom, left, right] = [Infinity, -1, Infinity, -1, Infinity, -1];
  for (const [n, plane] of planes.entries()) {
    if (plane === null) continue;
    for (let i = 0; i < plane.length; i++) {
      if (plane[i] < faint) continue;
      const r = Math.floor(i / cols);
      const c = i - r * cols;
      first = Math.min(first, n);
      last = n;
      top = Math.min(top, r);
      bottom = Math.max(bottom, r);
      left = Math.min(left, c);
      right = Math.max(right, c);
    }
  }
  if (last < 0) return null;
  const [a, b] = [Math.max(0, first - margin), Math.min(planes.length - 1, last + margin)];
  const [t, l] = [Math.max(0, top - margin), Math.max(0, left - margin)];
  const height = Math.min(rows, bottom + 1 + margin) - t;
  const width = Math.min(cols, right + 1 + margin) - l;
  const factor = Math.max(1, Math.ceil(Math.max(height, width) / longest), Math.ceil(Math.sqrt((height * width * (b - a + 1)) / most)));
  return { first: a, depth: b - a + 1, row: t, col: l, height, width, factor, rows: Math.ceil(height / factor), cols: Math.ceil(width / factor) };
}

/** Mean over each node of a plane of the slice; null counts as zeros. Written to `out` from `at` on. */
export function gather(plane: Uint8Array | null, block: Block, stride: number, out: Float32Array, at: number): void {
  if (plane === null) return;
  const { factor } = block;
  for (let r = 0; r < block.rows; r++) {
    const [r0, r1] = [block.row + r * factor, Math.min(block.row + block.height, block.row + (r + 1) * factor)];
    for (let c = 0; c < block.cols; c++) {
      const [c0, c1] = [block.col + c * factor, Math.min(block.col + block.width, block.col + (c + 1) * factor)];
      let sum = 0;
      for (let y = r0; y < r1; y++) for (let x = c0; x < c1; x++) sum += plane[y * stride + x];
      out[at + r * block.cols + c] = sum / (255 * (r1 - r0) * (c1 - c0));
    }
  }
}

/** Grey values of the block, 0..1, lightly smoothed in the slice, in units of their standard deviation. */
function greyOf(source: SliceSource, block: Block): Float32Array {
  const { depth, rows, cols, first } = block;
  const plane = rows * cols;
  const grey = new Float32Array(depth * plane);
  for (let d = 0; d < depth; d++) {
    gather(source.plane(first + d).data, block, source.cols, grey, d * plane);
    smooth(grey.subarray(d * plane, (d + 1) * plane), rows, cols);
  }
  let [sum, square] = [0, 0];
  for (const g of grey) {
    sum += g;
    square += g * g;
  }
  const mean = sum / grey.length;
  const deviation = Math.sqrt(Math.max(0, square / grey.length - mean * mean)) + 1e-6;
  for (let i = 0; i < grey.length; i++) grey[i] /= deviation;
  return grey;
}

/** Gaussian of sigma 0.4 in place: taps 0.042, 0.916, 0.042, border repeated. */
function smooth(map: Float32Array, rows: number, cols: number): void {
  const side = 0.042;
  const line = (start: number, step: number, count: number) => {
    let before = map[start];
    for (let n = 0, i = start; n < count; n++, i += step) {
      const here = map[i];
      const after = n + 1 < count ? map[i + step] : here;
      map[i] = side * (before + after) + (1 - 2 * side) * here;
      before = here;
    }
  };
  for (let r = 0; r < rows; r++) line(r * cols, 1, cols);
  for (let c = 0; c < cols; c++) line(c, cols, rows);
}

/** An edge never vanishes: noise must not cut a voxel off. */
const least = 1e-3;

/** Edges fall with the squared difference of grey values: w = exp(-contrast * difference^2) + 0.001, between slices times `across`. */
export function layLattice(source: SliceSource, block: Block, prior: Float32Array, fixed: ReadonlySet<number>, settings: WalkerSettings): Lattice {
  const { depth, rows, cols } = block;
  const plane = rows * cols;
  const grey = greyOf(source, block);
  const edges = (step: number, last: (i: number) => boolean, factor: number) => {
    const out = new Float32Array(grey.length);
    for (let i = 0; i + step < grey.length; i++) {
      if (!last(i)) out[i] = (Math.exp(-settings.contrast * (grey[i] - grey[i + step]) ** 2) + least) * factor;
    }
    return out;
  };
  const trust = prior.map((p) => settings.trust * Math.abs(2 * p - 1) + 1e-6);
  const free = new Uint8Array(grey.length).fill(1);
  for (const slice of fixed) {
    const d = slice - block.first;
    if (d >= 0 && d < depth) free.fill(0, d * plane, (d + 1) * plane);
  }
  return {
    depth, rows, cols, trust, free,
    alongCols: edges(1, (i) => i % cols === cols - 1, 1),
    alongRows: edges(cols, (i) => i % plane >= plane - cols, 1),
    alongDepth: edges(plane, () => false, settings.across),
  };
}
