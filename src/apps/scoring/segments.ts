/** Which voxel value of one label belongs to which of another: by name where both have names, else by value. */
import type { Info } from "../../datastore/datastore.js";

/** A segment of two labels; null where a label has none of that name or value. */
export interface SegmentPair {
  readonly name: string;
  readonly a: number | null;
  readonly b: number | null;
}

/** Names of the segments as a client or model noted them beside a label. `values`: what the voxels hold, ascending, without 0. */
export function segmentNames(info: Readonly<Info>, values: readonly number[]): Map<number, string> {
  const { label_info: segments, params } = info;
  if (Array.isArray(segments) && segments.length > 0) return fromLabelInfo(segments, values);
  const names = isObject(params) ? params.label_names : undefined;
  if (Array.isArray(names)) return new Map(names.flatMap((name, n): [number, string][] => (typeof name === "string" ? [[n + 1, name]] : [])));
  if (isObject(names)) return new Map(Object.entries(names).flatMap(([name, value]): [number, string][] => (typeof value === "number" ? [[value, name]] : [])));
  return new Map();
}

/** `idx` counts all segments in Slicer, also those that were not exported: where it does not fit the voxels, the order does (protocol 8.1). */
function fromLabelInfo(segments: readonly unknown[], values: readonly number[]): Map<number, string> {
  const known = segments.filter(isObject).filter((segment) => typeof segment.name === "string");
  const byIndex = new Map(known.flatMap((segment): [number, string][] => {
    const index = segment.idx ?? segment.labelID ?? segment.label;
    return typeof index === "number" ? [[index, segment.name as string]] : [];
  }));
  if (values.every((value) => byIndex.has(value))) return byIndex;
  return known.length === values.length ? new Map(values.map((value, n) => [value, known[n].name as string])) : new Map();
}

/** One pair per segment. Two labels of one segment each are one object, whatever their values and names. */
export function pairSegments(a: ReadonlyMap<number, string>, valuesA: readonly number[], b: ReadonlyMap<number, string>, valuesB: readonly number[]): SegmentPair[] {
  if (valuesA.length <= 1 && valuesB.length <= 1) {
    if (valuesA.length + valuesB.length === 0) return [];
    const [one = null] = valuesA;
    const [other = null] = valuesB;
    return [{ name: (one !== null && a.get(one)) || (other !== null && b.get(other)) || "object", a: one, b: other }];
  }
  const named = valuesA.every((value) => a.has(value)) && valuesB.every((value) => b.has(value));
  const nameOf = (names: ReadonlyMap<number, string>) => (value: number) => (named ? names.get(value)! : String(value));
  const left = new Map(valuesA.map((value) => [nameOf(a)(value), value]));
  const right = new Map(valuesB.map((value) => [nameOf(b)(value), value]));
  return [...new Set([...left.keys(), ...right.keys()])].sort().map((name) => ({ name, a: left.get(name) ?? null, b: right.get(name) ?? null }));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
