/** What somebody drew with a brush, slice by slice: which slices are to be carried on, across which axis, and what strokes stand for. */
import type { Axis, Shape } from "../../../imaging/geometry.js";
import { pixelToVoxel, planeShape, readSlice } from "../../../imaging/slices.js";
import type { Click } from "./clicks.js";

/** Where between the ends of a whole label it stays a prompt. */
const wholeShares = [0.15, 0.5, 0.85];
/** As many neighbouring slices and no others are outlines that are to be carried on; more are a whole label. */
const fewSlices = 3;
/** More slices than these were not mended one by one: a filter went over the whole label. */
const mostMended = 24;

/** Slices of a mask that are prompts. */
export interface Outlined {
  /** Slices that hold some of it, ascending. */
  readonly slices: readonly number[];
  /** Those of them that are prompts: all of an object that is outlined here and there, three of a whole one. */
  readonly prompts: readonly number[];
  /** Whether slices are missing: between those that are outlined, or because they are few. */
  readonly sparse: boolean;
}

/** Of a mask (0 and 1, grid of the image, i fastest) that somebody drew or opened. */
export function outlinesIn(mask: Uint8Array, shape: Shape, axis: Axis): Outlined {
  return outlinesOn(slicesByAxis(mask, shape)[axis]);
}

function outlinesOn(slices: readonly number[]): Outlined {
  const sparse = slices.length > 0 && (slices.length <= fewSlices || slices.at(-1)! - slices[0] >= slices.length);
  return { slices, sparse, prompts: sparse && slices.length <= mostMended ? slices : inShares(slices) };
}

/**
 * The slices on which a mask was changed by hand. Prompts are all of them, empty ones too (there the object has ended); `sparse` false: so many that
 * a filter did it.
 */
export function mendsIn(before: Uint8Array, after: Uint8Array, shape: Shape, axis: Axis): Outlined {
  const slices = Array.from({ length: shape[axis] }, (_, at) => at).filter((at) => Buffer.compare(readSlice(after, shape, axis, at), readSlice(before, shape, axis, at)) !== 0);
  const sparse = slices.length <= mostMended;
  if (sparse) return { slices, sparse, prompts: slices };
  return { slices, sparse, prompts: inShares(slices.filter((at) => readSlice(after, shape, axis, at).includes(1))) };
}

/** The axis across which an object was outlined here and there; null where no axis has slices missing. */
export function axisOfOutlines(mask: Uint8Array, shape: Shape): Axis | null {
  const byAxis = slicesByAxis(mask, shape);
  const sparse = ([0, 1, 2] as const).map((axis) => ({ axis, ...outlinesOn(byAxis[axis]) })).filter((one) => one.sparse);
  return sparse.sort((a, b) => a.slices.length - b.slices.length)[0]?.axis ?? null;
}

/** Pixels between two clicks on one stroke, and most of them. */
const [strideOfClicks, mostClicks] = [12, 5];

/**
 * What strokes of a brush (0 and 1) stand for: a click in the middle of each of their pieces on a slice, further ones where it is long. Of three and
 * more neighbouring slices, as a brush that is a ball leaves them, the middle one counts. The same strokes are the same clicks.
 */
export function strokeClicks(strokes: Uint8Array, shape: Shape, axis: Axis, positive: boolean): Click[] {
  const { rows, cols } = planeShape(shape, axis);
  return middlesOfRuns(slicesByAxis(strokes, shape)[axis]).flatMap((at) =>
    piecesOf(readSlice(strokes, shape, axis, at), rows, cols).flatMap((piece) => spread(piece, cols)
      .map((pixel) => ({ voxel: pixelToVoxel(at, { row: Math.floor(pixel / cols), col: pixel % cols }, axis), positive }))));
}

/** For each axis the slices that hold something, ascending. Most lines of a mask are empty, and are passed over whole. */
function slicesByAxis(mask: Uint8Array, [ni, nj, nk]: Shape): [number[], number[], number[]] {
  const held = [new Uint8Array(ni), new Uint8Array(nj), new Uint8Array(nk)] as const;
  for (let line = 0; line < nj * nk; line++) {
    const voxels = mask.subarray(line * ni, (line + 1) * ni);
    if (!voxels.includes(1)) continue;
    voxels.forEach((voxel, i) => (held[0][i] |= voxel));
    held[1][line % nj] = held[2][Math.floor(line / nj)] = 1;
  }
  return held.map((slices) => [...slices.keys()].filter((at) => slices[at] === 1)) as [number[], number[], number[]];
}

function middlesOfRuns(slices: readonly number[]): number[] {
  const runs: number[][] = [];
  for (const slice of slices) {
    if (runs.at(-1)?.at(-1) === slice - 1) runs.at(-1)!.push(slice);
    else runs.push([slice]);
  }
  return runs.flatMap((run) => (run.length < 3 ? run : [run[Math.floor(run.length / 2)]]));
}

const inShares = (slices: readonly number[]) => (slices.length === 0 ? [] : [...new Set(wholeShares.map((share) => slices[Math.round(share * (slices.length - 1))]))]);

/** Pixels of each connected piece, diagonals count. */
function piecesOf(slice: Uint8Array, rows: number, cols: number): number[][] {
  const left = Uint8Array.from(slice);
  const pieces: number[][] = [];
  for (let first = 0; first < left.length; first++) {
    if (left[first] === 0) continue;
    left[first] = 0;
    const piece = [first];
    for (let n = 0; n < piece.length; n++) {
      const [row, col] = [Math.floor(piece[n] / cols), piece[n] % cols];
      for (let r = Math.max(0, row - 1); r <= Math.min(rows - 1, row + 1); r++) {
        for (let c = Math.max(0, col - 1); c <= Math.min(cols - 1, col + 1); c++) {
          if (left[r * cols + c] === 0) continue;
          left[r * cols + c] = 0;
          piece.push(r * cols + c);
        }
      }
    }
    pieces.push(piece);
  }
  return pieces;
}

/** The pixel nearest to the middle, then always the one farthest from those that are chosen. */
function spread(piece: readonly number[], cols: number): number[] {
  const row = (pixel: number) => Math.floor(pixel / cols);
  const mean = (of: (pixel: number) => number) => piece.reduce((sum, pixel) => sum + of(pixel), 0) / piece.length;
  const [r, c] = [mean(row), mean((pixel) => pixel % cols)];
  const away = piece.map((pixel) => Math.hypot(row(pixel) - r, (pixel % cols) - c));
  const chosen = [piece[away.indexOf(Math.min(...away))]];
  const free = piece.map(() => Infinity);
  while (chosen.length < mostClicks) {
    const last = chosen.at(-1)!;
    piece.forEach((pixel, n) => (free[n] = Math.min(free[n], Math.hypot(row(pixel) - row(last), (pixel % cols) - (last % cols)))));
    const farthest = free.reduce((best, distance, n) => (distance > free[best] ? n : best), 0);
    if (free[farthest] < strideOfClicks) break;
    chosen.push(piece[farthest]);
  }
  return chosen;
}
