/**
 * Where a voxel lies in the patient. The only place where LPS and RAS meet.
 *
 * Three kinds of position are three types, so that none can be taken for another:
 * a voxel index [i, j, k], patient millimetres, and (row, column) on one slice.
 */
import { LimnetError } from "../errors.js";
import { cross, determinant, inverse, type Mat3, nearestOrthogonal, norm, unitColumns, type Vec3 } from "./affine.js";

/** Number of voxels along i, j, k; i is the fastest axis of the file. */
export type Shape = readonly [number, number, number];

/** Zero-based voxel index [i, j, k], i along the fastest axis of the file. */
export type Voxel = readonly [i: number, j: number, k: number];

/** A point in patient millimetres, RAS+ (x to the right, y to the front, z to the head), as NIfTI stores it. */
export interface RasPoint {
  readonly x: number;
  readonly y: number;
  readonly z: number;
}

/** A point in patient millimetres, LPS+, as DICOM and ITK store it; named so that no RasPoint passes for it. */
export interface LpsPoint {
  readonly left: number;
  readonly posterior: number;
  readonly superior: number;
}

/** A pixel on one slice: row first. */
export interface Pixel {
  readonly row: number;
  readonly col: number;
}

/** Row-major 3 x 4: RAS millimetres = affine * [i, j, k, 1]. */
export type RasAffine = readonly [
  number, number, number, number,
  number, number, number, number,
  number, number, number, number,
];

export interface Geometry {
  readonly affine: RasAffine;
}

/** Index of the voxel axis across which slices are stacked: 0 = i, 1 = j, 2 = k. */
export type Axis = 0 | 1 | 2;

/**
 * A grid as a file states it, in the file's own patient frame (millimetres): where voxel (0, 0, 0) lies and how far
 * one step along i, j and k goes.
 */
export interface Frame<Space extends "LPS" | "RAS" | "LAS" = "LPS" | "RAS" | "LAS"> {
  readonly space: Space;
  readonly origin: Vec3;
  readonly steps: readonly [Vec3, Vec3, Vec3];
}

/** Signs that take x, y, z of a frame to RAS; each is its own inverse. */
const toRasSigns = { LPS: [-1, -1, 1], RAS: [1, 1, 1], LAS: [-1, 1, 1] } as const;

const { LPS } = toRasSigns;

export function toLps(point: RasPoint): LpsPoint {
  return { left: LPS[0] * point.x, posterior: LPS[1] * point.y, superior: LPS[2] * point.z };
}

export function toRas(point: LpsPoint): RasPoint {
  return { x: LPS[0] * point.left, y: LPS[1] * point.posterior, z: LPS[2] * point.superior };
}

/**
 * Geometry from a frame of a file. Two-dimensional files have no third step: it becomes 1 mm along the normal.
 * @throws LimnetError bad_volume when the frame is not a grid (see checkGeometry)
 */
export function geometryFrom(frame: Omit<Frame, "steps"> & { readonly steps: readonly [Vec3, Vec3, Vec3?] }): Geometry {
  const signs = toRasSigns[frame.space];
  // "+ 0" turns the -0 that a sign change makes into 0, which would otherwise be printed by some writers.
  const flip = (v: Vec3): Vec3 => [signs[0] * v[0] + 0, signs[1] * v[1] + 0, signs[2] * v[2] + 0];
  const [u, v, o] = [flip(frame.steps[0]), flip(frame.steps[1]), flip(frame.origin)];
  const normal = cross(u, v);
  const length = norm(normal);
  const w = frame.steps[2] ? flip(frame.steps[2]) : normal.map((part) => part / length);
  return checkGeometry({ affine: [u[0], v[0], w[0], o[0], u[1], v[1], w[1], o[1], u[2], v[2], w[2], o[2]] });
}

/** The grid in LPS millimetres, as DICOM, NRRD and MetaImage write it. */
export function lpsFrame(geometry: Geometry): Frame<"LPS"> {
  const a = geometry.affine;
  const column = (c: number): Vec3 => [LPS[0] * a[c] + 0, LPS[1] * a[4 + c] + 0, LPS[2] * a[8 + c] + 0];
  return { space: "LPS", steps: [column(0), column(1), column(2)], origin: column(3) };
}

/** The part of the affine without the origin, row-major, RAS millimetres per voxel. */
export function stepMatrix(geometry: Geometry): Mat3 {
  const a = geometry.affine;
  return [a[0], a[1], a[2], a[4], a[5], a[6], a[8], a[9], a[10]];
}

/**
 * Returns the geometry when it describes a grid in space.
 * @throws LimnetError bad_volume on NaN or infinite numbers, a spacing of zero, or axes that lie in one plane
 */
export function checkGeometry(geometry: Geometry): Geometry {
  const sizes = spacing(geometry);
  if (!geometry.affine.every(Number.isFinite) || !sizes.every(Number.isFinite)) {
    throw new LimnetError("bad_volume", "The position of the image in the patient holds numbers that are not finite. Export the image again with a valid orientation.");
  }
  if (sizes.some((size) => size < 1e-12)) {
    throw new LimnetError("bad_volume", "The voxel spacing of the image is zero along an axis. Export the image again with its real spacing.");
  }
  if (!(Math.abs(determinant(unitColumns(stepMatrix(geometry)))) > 1e-6)) {
    throw new LimnetError("bad_volume", "The axes of the image lie in one plane, so voxels have no place in the patient. Export the image again with a valid orientation.");
  }
  return geometry;
}

/** Distance between neighbouring voxels along i, j, k in millimetres. */
export function spacing(geometry: Geometry): readonly [number, number, number] {
  const a = geometry.affine;
  return [norm([a[0], a[4], a[8]]), norm([a[1], a[5], a[9]]), norm([a[2], a[6], a[10]])];
}

/** Centre of a voxel (fractions allowed) in RAS millimetres. */
export function voxelToRas(geometry: Geometry, voxel: Voxel): RasPoint {
  const a = geometry.affine;
  const [i, j, k] = voxel;
  return {
    x: a[0] * i + a[1] * j + a[2] * k + a[3],
    y: a[4] * i + a[5] * j + a[6] * k + a[7],
    z: a[8] * i + a[9] * j + a[10] * k + a[11],
  };
}

/**
 * Voxel index of a point in RAS millimetres; not rounded, and outside the grid when the point is.
 * @throws LimnetError bad_volume when the geometry has no inverse
 */
export function rasToVoxel(geometry: Geometry, point: RasPoint): Voxel {
  const a = checkGeometry(geometry).affine;
  const m = inverse(stepMatrix(geometry));
  const [x, y, z] = [point.x - a[3], point.y - a[7], point.z - a[11]];
  return [m[0] * x + m[1] * y + m[2] * z, m[3] * x + m[4] * y + m[5] * z, m[6] * x + m[7] * y + m[8] * z];
}

/**
 * Which way i, j and k run in the patient, "RAS" or "LPI" and so on: the same letters as nibabel.aff2axcodes,
 * oblique and sheared grids included (axes are taken in the order of how clearly they point).
 * @throws LimnetError bad_volume when the geometry is singular
 */
export function axisCodes(geometry: Geometry): string {
  const r = nearestOrthogonal(unitColumns(stepMatrix(checkGeometry(geometry))));
  const along = (axis: number) => [Math.abs(r[axis]), Math.abs(r[3 + axis]), Math.abs(r[6 + axis])];
  const order = [0, 1, 2].sort((a, b) => Math.max(...along(b)) - Math.max(...along(a)));
  const free = [true, true, true];
  const codes = ["", "", ""];
  for (const axis of order) {
    const weights = along(axis).map((weight, at) => (free[at] ? weight : -1));
    const world = weights.indexOf(Math.max(...weights));
    free[world] = false;
    codes[axis] = ["LR", "PA", "IS"][world][r[3 * world + axis] > 0 ? 1 : 0];
  }
  return codes.join("");
}

/**
 * True when both grids have the same shape and no voxel centre of one lies further than `tolerance` (a fraction of
 * the smallest voxel spacing) from the same voxel of the other. The default forgives the float32 of NIfTI headers.
 */
export function sameGrid(
  a: { readonly shape: Shape; readonly geometry: Geometry },
  b: { readonly shape: Shape; readonly geometry: Geometry },
  tolerance = 0.01,
): boolean {
  if (a.shape.some((size, axis) => size !== b.shape[axis])) return false;
  const allowed = tolerance * Math.min(...spacing(a.geometry), ...spacing(b.geometry));
  // The difference of two affine maps is affine, so it is largest at a corner.
  for (let corner = 0; corner < 8; corner++) {
    const at: Voxel = [
      corner & 1 ? a.shape[0] - 1 : 0, corner & 2 ? a.shape[1] - 1 : 0, corner & 4 ? a.shape[2] - 1 : 0,
    ];
    const [p, q] = [voxelToRas(a.geometry, at), voxelToRas(b.geometry, at)];
    if (!(Math.hypot(p.x - q.x, p.y - q.y, p.z - q.z) <= allowed)) return false;
  }
  return true;
}

/**
 * The axis across which the scan is cut into slices: the only axis of one voxel (a single slice), else the axis
 * whose spacing is at least 1.25 times that of both others (the direction of acquisition), else the one that runs
 * most nearly from feet to head.
 * @throws LimnetError bad_volume when the geometry is singular
 */
export function chooseAxis(geometry: Geometry, shape: Shape): Axis {
  const single = shape.filter((size) => size === 1).length === 1;
  if (single) return shape.indexOf(1) as Axis;
  const sizes = spacing(checkGeometry(geometry));
  const largest = sizes.indexOf(Math.max(...sizes));
  // A hair below 1.25, so that 1.25 mm against 1 mm survives the float32 of a NIfTI header.
  if (sizes.every((size, axis) => axis === largest || sizes[largest] >= 1.2499999 * size)) return largest as Axis;
  return axisCodes(geometry).search(/[SI]/) as Axis;
}
