/** How alike two masks are: overlap and surface scores. */
import type { Shape } from "./geometry.js";
import { squaredDistance } from "./distance.js";

export interface Overlap {
  readonly truth: number;
  readonly mask: number;
  readonly both: number;
}

export function overlap(truth: ArrayLike<number>, mask: ArrayLike<number>): Overlap {
  let t = 0;
  let m = 0;
  let both = 0;
  for (let i = 0; i < truth.length; i++) {
    if (truth[i]) t++;
    if (mask[i]) m++;
    if (truth[i] && mask[i]) both++;
  }
  return { truth: t, mask: m, both };
}

/** 1 where both are empty, 0 where one is. */
export function dice({ truth, mask, both }: Overlap): number {
  return truth + mask === 0 ? 1 : (2 * both) / (truth + mask);
}

/** Intersection over union; 1 where both are empty. */
export function iou({ truth, mask, both }: Overlap): number {
  return truth + mask === 0 ? 1 : both / (truth + mask - both);
}

export interface SurfaceScores {
  /** Normalised surface Dice: share of both surfaces that lies within the tolerance of the other. */
  readonly nsd: number;
  /** 95th percentile of the surface distance in millimetres, the worse of the two directions; null where only one is empty. */
  readonly hd95: number | null;
}

/** Voxels of the object that touch something else through a face; the border of the grid is something else. */
function surface(object: Uint8Array, [nx, ny, nz]: Shape): Uint8Array {
  const out = new Uint8Array(object.length);
  for (let k = 0, n = 0; k < nz; k++) {
    for (let j = 0; j < ny; j++) {
      for (let i = 0; i < nx; i++, n++) {
        if (!object[n]) continue;
        const inner = i > 0 && i < nx - 1 && j > 0 && j < ny - 1 && k > 0 && k < nz - 1
          && object[n - 1] && object[n + 1] && object[n - nx] && object[n + nx]
          && object[n - nx * ny] && object[n + nx * ny];
        if (!inner) out[n] = 1;
      }
    }
  }
  return out;
}

/** Both masks cut to the box that holds them: distances between their surfaces do not change by that. */
function cutToBox(a: ArrayLike<number>, b: ArrayLike<number>, [nx, ny, nz]: Shape) {
  const low = [nx, ny, nz];
  const high = [-1, -1, -1];
  for (let k = 0, n = 0; k < nz; k++) {
    for (let j = 0; j < ny; j++) {
      for (let i = 0; i < nx; i++, n++) {
        if (!a[n] && !b[n]) continue;
        const at = [i, j, k];
        for (let axis = 0; axis < 3; axis++) {
          low[axis] = Math.min(low[axis], at[axis]);
          high[axis] = Math.max(high[axis], at[axis]);
        }
      }
    }
  }
  const shape: Shape = [high[0] - low[0] + 1, high[1] - low[1] + 1, high[2] - low[2] + 1];
  const cut = (from: ArrayLike<number>) => {
    const out = new Uint8Array(shape[0] * shape[1] * shape[2]);
    for (let k = 0, n = 0; k < shape[2]; k++) {
      for (let j = 0; j < shape[1]; j++) {
        const start = low[0] + nx * (low[1] + j + ny * (low[2] + k));
        for (let i = 0; i < shape[0]; i++, n++) out[n] = from[start + i] ? 1 : 0;
      }
    }
    return out;
  };
  return { a: cut(a), b: cut(b), shape };
}

/** Distances of the voxels of one surface to the other, ascending. */
function distances(from: Uint8Array, to: Uint8Array, shape: Shape, spacing: Shape): number[] {
  const squared = squaredDistance(to, shape, spacing);
  const out: number[] = [];
  for (let i = 0; i < from.length; i++) if (from[i]) out.push(Math.sqrt(squared[i]));
  return out.sort((x, y) => x - y);
}

/** Linear between the two nearest ranks, as numpy does by default. */
export function percentile(ascending: readonly number[], share: number): number {
  const rank = share * (ascending.length - 1);
  const below = Math.floor(rank);
  const above = Math.min(ascending.length - 1, below + 1);
  return ascending[below] + (rank - below) * (ascending[above] - ascending[below]);
}

/** Surface scores over voxel surfaces; `spacing` and `tolerance` in millimetres. */
export function surfaceScores(truth: ArrayLike<number>, mask: ArrayLike<number>, shape: Shape, spacing: Shape, tolerance = 2): SurfaceScores {
  const count = overlap(truth, mask);
  if (count.truth === 0 && count.mask === 0) return { nsd: 1, hd95: 0 };
  if (count.truth === 0 || count.mask === 0) return { nsd: 0, hd95: null };
  const cut = cutToBox(truth, mask, shape);
  const a = surface(cut.a, cut.shape);
  const b = surface(cut.b, cut.shape);
  const there = distances(a, b, cut.shape, spacing);
  const back = distances(b, a, cut.shape, spacing);
  const within = (list: readonly number[]) => list.filter((d) => d <= tolerance).length;
  return {
    nsd: (within(there) + within(back)) / (there.length + back.length),
    hd95: Math.max(percentile(there, 0.95), percentile(back, 0.95)),
  };
}
