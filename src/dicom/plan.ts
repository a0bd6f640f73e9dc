/** From the headers of a series to its volumes: which slice goes where, in which array, on which grid. No pixel is touched. */
import { badVolume, checkShape, type ReadLimits } from "../imaging/volume.js";
import type { LpsPoint } from "../imaging/geometry.js";
import { type Group, groupSlices } from "./group.js";
import { describeVolume } from "./info.js";
import type { Instance } from "./instance.js";
import { gridOf, type Slice, stackGeometry, unplacedGeometry } from "./stack.js";
import { planStorage, type Storage } from "./storage.js";
import type { PlannedVolume, SkippedInstance, SourceSlice } from "./types.js";

/** A planned volume with what is needed to fill it. */
export interface VolumePlan extends PlannedVolume {
  readonly parts: readonly Slice[];
  readonly storage: Storage;
}

export interface SeriesPlan {
  /** Never empty; the first stands for the series. */
  readonly volumes: readonly VolumePlan[];
  readonly skipped: readonly SkippedInstance[];
}

export interface PlanOptions extends ReadLimits {
  readonly suv?: boolean;
}

/**
 * Plans the volumes of a series, from instances in any order, with pixels (parseInstance) or without (instanceFromJson).
 * @throws LimnetError bad_volume where there is no volume in them, an instance comes twice with different pixels, or a
 *   volume is beyond the limits
 */
export function planSeries(instances: readonly Instance[], options: PlanOptions = {}): SeriesPlan {
  const { once, copies } = withoutTwins(instances);
  const { groups, skipped } = groupSlices(once);
  if (groups.length === 0) throw noVolume(skipped);
  const dropped = copies + skipped.filter(({ reason }) => reason.startsWith("it is a copy")).length;
  const notes = dropped > 0 ? [`${dropped} image(s) came twice; the copies were left out.`] : [];
  return { volumes: groups.map((_, index) => planVolume(groups, index, notes, options)), skipped };
}

/** A volume of one slice, as if it were alone. */
export function planSlice(slice: Slice, options: PlanOptions): VolumePlan {
  const group: Group = { slices: [slice], trait: "", localizer: slice.frame.localizer, placed: slice.frame.position !== null && slice.frame.orientation !== null };
  return planVolume([group], 0, [], options);
}

function planVolume(groups: readonly Group[], index: number, notes: readonly string[], options: PlanOptions): VolumePlan {
  const { slices, placed } = groups[index];
  const { rows, columns } = slices[0].instance.format!;
  const shape = checkShape([columns, rows, slices.length], options);
  const grid = placed ? gridOf(slices) : null;
  const storage = planStorage(slices, options);
  return {
    shape, storage, parts: slices,
    geometry: grid ? stackGeometry(slices, grid.step) : unplacedGeometry(slices[0]),
    info: describeVolume(groups, index, grid, storage, notes),
    slices: slices.map(sourceOf),
    attributes: slices[0].instance.attributes(),
  };
}

export function sourceOf({ instance, frame }: Slice): SourceSlice {
  const [left, posterior, superior] = frame.position ?? [0, 0, 0];
  const position: LpsPoint | null = frame.position && { left, posterior, superior };
  return {
    sopClassUid: instance.sopClassUid, sopInstanceUid: instance.sopInstanceUid, frame: frame.number, multiFrame: instance.multiFrame,
    instanceNumber: instance.instanceNumber, position,
  };
}

/** Each SOP instance once. */
function withoutTwins(instances: readonly Instance[]): { once: Instance[]; copies: number } {
  const seen = new Map<string, Instance>();
  for (const instance of instances) {
    const twin = seen.get(instance.sopInstanceUid);
    if (!twin || instance.sopInstanceUid === "") seen.set(instance.sopInstanceUid || `?${seen.size}`, instance);
    else if (differ(twin, instance)) {
      throw badVolume("Two files of the series carry the same SOP Instance UID but hold different images. Remove the wrong one.");
    }
  }
  return { once: [...seen.values()], copies: instances.length - seen.size };
}

/** In two transfer syntaxes the bytes of one image differ: that is no contradiction. */
function differ(a: Instance, b: Instance): boolean {
  if (a.frames.length !== b.frames.length || a.frames.some((frame, at) => String(frame.position) !== String(b.frames[at].position))) return true;
  if (!a.pixels || !b.pixels || a.pixels.transferSyntaxUid !== b.pixels.transferSyntaxUid) return false;
  return a.frames.some((_, at) => Buffer.compare(a.pixels!.frame(at + 1).bytes, b.pixels!.frame(at + 1).bytes) !== 0);
}

function noVolume(skipped: readonly SkippedInstance[]): Error {
  const reasons = [...new Set(skipped.map(({ reason }) => reason))];
  if (reasons.length === 0) return badVolume("The series holds no DICOM images. Send the files of a scan.");
  return badVolume(`There is no scan in the series: ${reasons.slice(0, 3).join("; ")}. Send the images of a scan.`);
}
