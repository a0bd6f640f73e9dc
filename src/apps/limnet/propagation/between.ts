/**
 * Between two slices that are right, drawn by hand or clicked until they were, their shapes say more than the network: what was propagated is mixed
 * with what lies between the shapes, before the random walker looks at the edges of the image. Shape-based interpolation (Raya and Udupa, IEEE TMI
 * 1990), the two laid on each other by their centres. Masks of one click are too rough for it (docs/training.md). Not in the paper.
 */
import { signedDistance } from "../../../imaging/distance.js";
import { type Box, boxAbove } from "../click/zoom.js";
import { union } from "../fusion/pairs.js";
import type { ShapeSettings } from "../networks.js";
import { hasMask, maskFrom, type StoredPlane } from "./plane.js";

/** Pixels around the two that a shape may reach. */
const margin = 8;

interface Grid {
  readonly rows: number;
  readonly cols: number;
}

/** New planes; only those between two neighbouring prompts change that are both `right` and hold the object. `prompts`: all of them. */
export function withShapes(
  planes: readonly StoredPlane[], prompts: Iterable<number>, right: ReadonlySet<number>, grid: Grid, settings: ShapeSettings,
): StoredPlane[] {
  const out = planes.slice();
  const sorted = [...prompts].sort((a, b) => a - b);
  for (const [n, last] of sorted.entries()) {
    const first = sorted[n - 1];
    if (first === undefined || last - first < 2 || ![first, last].every((slice) => right.has(slice) && hasMask(planes[slice]))) continue;
    const between = shapesBetween(planes[first]!, planes[last]!, grid, settings);
    for (let slice = first + 1; slice < last; slice++) out[slice] = mixed(planes[slice], between((slice - first) / (last - first)), grid, settings.share);
  }
  return out;
}

/** A shape in a window of the slice: probabilities 0..1, rows of the window one after the other. */
interface Shape {
  readonly box: Box;
  readonly data: Float32Array;
}

/** The shape at a share (0..1) of the way from one plane to the other; null where they do not lie on each other. */
function shapesBetween(first: Uint8Array, last: Uint8Array, grid: Grid, { softness, leastArea }: ShapeSettings): (share: number) => Shape | null {
  const [a, b] = [first, last].map((data) => boxAbove({ data, ...grid }, maskFrom - 1));
  const tight = union(a, b)!;
  const box = {
    top: Math.max(0, tight.top - margin), left: Math.max(0, tight.left - margin),
    bottom: Math.min(grid.rows - 1, tight.bottom + margin), right: Math.min(grid.cols - 1, tight.right + margin),
  };
  const size = { rows: box.bottom - box.top + 1, cols: box.right - box.left + 1 };
  const [from, to] = [first, last].map((plane) => {
    const mask = new Uint8Array(size.rows * size.cols);
    for (let i = 0; i < mask.length; i++) mask[i] = Number(plane[(box.top + Math.floor(i / size.cols)) * grid.cols + box.left + (i % size.cols)] >= maskFrom);
    return { ...middleOf(mask, size.cols), distance: signedDistance(mask, size.rows, size.cols) };
  });
  const [down, across] = [to.row - from.row, to.col - from.col];
  return (share) => {
    const data = moved(from.distance, -share * down, -share * across, size);
    const theirs = moved(to.distance, (1 - share) * down, (1 - share) * across, size);
    let area = 0;
    for (let i = 0; i < data.length; i++) {
      const distance = (1 - share) * data[i] + share * theirs[i];
      if (distance >= 0) area++;
      data[i] = 1 / (1 + Math.exp(-distance / softness));
    }
    return area < leastArea * ((1 - share) * from.area + share * to.area) ? null : { box, data };
  };
}

function middleOf(mask: Uint8Array, cols: number): { row: number; col: number; area: number } {
  let [row, col, area] = [0, 0, 0];
  mask.forEach((voxel, i) => {
    if (voxel === 0) return;
    row += Math.floor(i / cols);
    col += i % cols;
    area++;
  });
  return { row: row / area, col: col / area, area };
}

/** The map as it is so many rows and columns further on: bilinear, clamped at the border. */
function moved(map: Float64Array, down: number, across: number, { rows, cols }: Grid): Float32Array {
  const out = new Float32Array(map.length);
  const [wholeRows, wholeCols] = [Math.floor(down), Math.floor(across)];
  const [fy, fx] = [down - wholeRows, across - wholeCols];
  const columns = Int32Array.from({ length: cols + 1 }, (_, c) => Math.min(cols - 1, Math.max(0, c + wholeCols)));
  for (let r = 0; r < rows; r++) {
    const [y0, y1] = [r + wholeRows, r + wholeRows + 1].map((row) => Math.min(rows - 1, Math.max(0, row)) * cols);
    for (let c = 0; c < cols; c++) {
      const [x0, x1] = [columns[c], columns[c + 1]];
      out[r * cols + c] = (map[y0 + x0] * (1 - fx) + map[y0 + x1] * fx) * (1 - fy) + (map[y1 + x0] * (1 - fx) + map[y1 + x1] * fx) * fy;
    }
  }
  return out;
}

/** A propagation that found nothing has lost the object, which is on both sides, and does not outvote the shape. */
function mixed(plane: StoredPlane, shape: Shape | null, { rows, cols }: Grid, shapeShare: number): StoredPlane {
  if (shape === null) return plane;
  const { box, data } = shape;
  const share = hasMask(plane) ? shapeShare : 1;
  const out = new Uint8Array(rows * cols);
  if (plane !== null) for (let i = 0; i < out.length; i++) out[i] = Math.round((1 - share) * plane[i]);
  for (let i = 0, r = box.top; r <= box.bottom; r++) {
    for (let c = box.left; c <= box.right; c++, i++) {
      const at = r * cols + c;
      out[at] = Math.round((1 - share) * (plane?.[at] ?? 0) + share * 255 * data[i]);
    }
  }
  return out;
}
