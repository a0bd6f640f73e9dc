/** Where the pixels of a segmentation's frame lie among the voxels of an image. */
import { cross, norm, type Vec3 } from "../../imaging/affine.js";
import { lpsFrame } from "../../imaging/geometry.js";
import { badVolume } from "../../imaging/volume.js";
import type { Frame } from "../instance.js";
import type { SegGrid } from "./read.js";

/** Pixel (row, column) of the frame is voxel (origin + column * right + row * down) of slice `slice`. */
export interface PlaneMap {
  readonly slice: number;
  readonly origin: readonly [number, number];
  readonly right: readonly [number, number];
  readonly down: readonly [number, number];
}

/** How far a pixel may lie from a voxel, as a part of a voxel: places are written with few digits. */
const slack = 0.15;

const otherGrid = "The segmentation does not lie on the voxels of the image: its pixels have another size, or its planes another direction or place. Make it on the grid of this image.";

const dot = (a: Vec3, b: Vec3) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const minus = (a: Vec3, b: Vec3): Vec3 => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];

/**
 * The map of a frame; null where its plane lies before the first or behind the last slice of the image.
 * @throws LimnetError bad_volume where the frame does not lie on the pixels of a slice
 */
export function planeMap(frame: Frame, rows: number, columns: number, grid: SegGrid): PlaneMap | null {
  const { position, orientation, pixelSpacing } = frame;
  if (!position || !orientation || !pixelSpacing) throw badVolume("A frame of the segmentation does not say where it lies. Export it again.");
  const { origin, steps: [u, v, w] } = lpsFrame(grid.geometry);
  const normal = cross(u, v);
  const count = grid.shape[2];
  const place = (k: number): Vec3 => {
    const known = grid.slices?.[k]?.position;
    return known ? [known.left, known.posterior, known.superior] : [origin[0] + k * w[0], origin[1] + k * w[1], origin[2] + k * w[2]];
  };
  const slice = nearestSlice(position, Array.from({ length: count }, (_, k) => place(k)), normal.map((part) => part / norm(normal)) as unknown as Vec3, norm(w));
  if (slice === null) return null;
  const toPixel = inPlane(u, v);
  const start = toPixel(minus(position, place(slice)));
  const right = toPixel(orientation[0].map((part) => part * pixelSpacing[1]) as unknown as Vec3);
  const down = toPixel(orientation[1].map((part) => part * pixelSpacing[0]) as unknown as Vec3);
  const map = { slice, origin: whole(start), right: whole(right), down: whole(down) };
  const unit = (step: readonly [number, number]) => Math.abs(step[0]) + Math.abs(step[1]) === 1;
  if (!unit(map.right) || !unit(map.down) || map.right[0] * map.down[0] + map.right[1] * map.down[1] !== 0) throw badVolume(otherGrid);
  // The furthest pixel shows a wrong size or direction most.
  for (const [row, column] of [[0, 0], [rows - 1, 0], [0, columns - 1], [rows - 1, columns - 1]]) {
    for (const axis of [0, 1] as const) {
      const exact = start[axis] + column * right[axis] + row * down[axis];
      if (Math.abs(exact - map.origin[axis] - column * map.right[axis] - row * map.down[axis]) > slack) throw badVolume(otherGrid);
    }
  }
  const tilt = Math.abs(dot(cross(orientation[0], orientation[1]), normal.map((part) => part / norm(normal)) as unknown as Vec3));
  // Half a pixel of depth across the frame is a plane of another direction.
  if (Math.acos(Math.min(1, tilt)) * Math.max(rows, columns) * pixelSpacing[0] > 0.5 * norm(w)) throw badVolume(otherGrid);
  return map;
}

const whole = ([x, y]: readonly [number, number]): [number, number] => [Math.round(x) + 0, Math.round(y) + 0];

/** The slice at the height of a point; null beyond the ends. */
function nearestSlice(point: Vec3, places: readonly Vec3[], normal: Vec3, step: number): number | null {
  const heights = places.map((place) => dot(minus(point, place), normal));
  let best = 0;
  for (let k = 1; k < heights.length; k++) if (Math.abs(heights[k]) < Math.abs(heights[best])) best = k;
  const gaps = [best - 1, best + 1].filter((k) => k >= 0 && k < heights.length).map((k) => Math.abs(heights[k] - heights[best]));
  const gap = gaps.length > 0 ? Math.min(...gaps) : step;
  if (Math.abs(heights[best]) <= Math.max(slack * gap, 0.01)) return best;
  const outside = heights.every((height) => height > 0) || heights.every((height) => height < 0);
  if (outside && Math.abs(heights[best]) > (1 - slack) * gap) return null;
  throw badVolume(otherGrid);
}

/** From a vector in the plane of u and v to its parts along them, least squares. */
function inPlane(u: Vec3, v: Vec3): (vector: Vec3) => readonly [number, number] {
  const [uu, uv, vv] = [dot(u, u), dot(u, v), dot(v, v)];
  const determinant = uu * vv - uv * uv;
  return (vector) => {
    const [a, b] = [dot(vector, u), dot(vector, v)];
    return [(a * vv - b * uv) / determinant, (b * uu - a * uv) / determinant];
  };
}
