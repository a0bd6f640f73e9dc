/** Slices in order to a grid in the patient: what PS3.3, C.7.6.2.1.1 says of one slice, for a stack of them. */
import { cross, norm, type Vec3 } from "../imaging/affine.js";
import { type Geometry, geometryFrom } from "../imaging/geometry.js";
import type { Frame, Instance } from "./instance.js";
import type { Gap } from "./types.js";

/** A frame with the instance that it belongs to. */
export interface Slice {
  readonly instance: Instance;
  readonly frame: Frame;
}

export const isPlaced = (frame: Frame): frame is Frame & { position: Vec3; orientation: [Vec3, Vec3] } => frame.position !== null && frame.orientation !== null;

/** The normal of a slice, LPS, length 1. */
export function normalOf([row, column]: readonly [Vec3, Vec3]): Vec3 {
  const n = cross(row, column);
  const length = norm(n);
  return [n[0] / length, n[1] / length, n[2] / length];
}

export interface Grid {
  /** Step from slice to slice, LPS millimetres: from the first to the last, divided by their number (as ITK does). */
  readonly step: Vec3;
  readonly even: boolean;
  readonly deviationMm: number;
  readonly gaps: readonly Gap[];
  readonly tiltDegrees: number;
}

/** Furthest a slice may lie from its place on the grid to count as evenly spaced, in steps. */
const evenSteps = 0.05;

const minus = (a: Vec3, b: Vec3): Vec3 => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const dot = (a: Vec3, b: Vec3) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

/** Millimetres of each slice along the normal of the first. */
export function distances(slices: readonly Slice[]): number[] {
  const normal = normalOf(slices[0].frame.orientation!);
  return slices.map(({ frame }) => dot(normal, frame.position!));
}

/** What the positions of slices in order along the normal say. */
export function gridOf(slices: readonly Slice[]): Grid {
  const places = slices.map(({ frame }) => frame.position!);
  const normal = normalOf(slices[0].frame.orientation!);
  const count = slices.length;
  if (count === 1) {
    const thickness = Math.abs(slices[0].frame.thickness ?? 1) || 1;
    return { step: [normal[0] * thickness, normal[1] * thickness, normal[2] * thickness], even: true, deviationMm: 0, gaps: [], tiltDegrees: 0 };
  }
  const way = minus(places[count - 1], places[0]);
  const step: Vec3 = [way[0] / (count - 1), way[1] / (count - 1), way[2] / (count - 1)];
  let deviationMm = 0;
  for (const [k, place] of places.entries()) {
    const off = minus(minus(place, places[0]), [step[0] * k, step[1] * k, step[2] * k]);
    deviationMm = Math.max(deviationMm, norm(off));
  }
  const cosine = Math.min(1, Math.abs(dot(normal, step)) / norm(step));
  const tilt = (Math.acos(cosine) * 180) / Math.PI;
  return {
    step, deviationMm, even: deviationMm <= evenSteps * norm(step), gaps: findGaps(distances(slices)),
    // Below what the digits of a position can say.
    tiltDegrees: tilt < 0.01 ? 0 : tilt,
  };
}

/** Distances that are a whole multiple of the usual one. */
function findGaps(along: readonly number[]): Gap[] {
  const steps = along.slice(1).map((distance, at) => distance - along[at]);
  const usual = [...steps].sort((a, b) => a - b)[steps.length >> 1];
  if (steps.filter((step) => Math.abs(step - usual) <= 0.1 * usual).length * 2 <= steps.length) return [];
  return steps.flatMap((step, after) => {
    const times = Math.round(step / usual);
    return times >= 2 && Math.abs(step - times * usual) <= 0.1 * usual ? [{ after, missing: times - 1 }] : [];
  });
}

/**
 * Geometry of a stack: i along a row, j down a column, k along `step`.
 * @throws LimnetError bad_volume where the axes span no space
 */
export function stackGeometry(slices: readonly Slice[], step: Vec3): Geometry {
  const { frame } = slices[0];
  const [betweenRows, betweenColumns] = frame.pixelSpacing ?? [1, 1];
  const [row, column] = frame.orientation!;
  const times = (v: Vec3, length: number): Vec3 => [v[0] * length, v[1] * length, v[2] * length];
  return geometryFrom({ space: "LPS", origin: frame.position!, steps: [times(row, betweenColumns), times(column, betweenRows), step] });
}

/** A grid for images that do not say where they lie: at the origin, rows to the left, columns to the back, slices as far apart as they are thick. */
export function unplacedGeometry({ frame }: Slice): Geometry {
  const [betweenRows, betweenColumns] = frame.pixelSpacing ?? [1, 1];
  return geometryFrom({ space: "LPS", origin: [0, 0, 0], steps: [[betweenColumns, 0, 0], [0, betweenRows, 0], [0, 0, Math.abs(frame.thickness ?? 1) || 1]] });
}

