/** What a person should know about a volume, in sentences. */
import type { Group } from "./group.js";
import type { Grid } from "./stack.js";
import type { Storage } from "./storage.js";
import type { VolumeInfo } from "./types.js";

const mm = (value: number) => `${Number(value.toPrecision(3))} mm`;

/** @param all the groups of the series, this one at `index`; @param grid null where the images have no place */
export function describeVolume(all: readonly Group[], index: number, grid: Grid | null, storage: Storage, skipped: readonly string[]): VolumeInfo {
  const group = all[index];
  const { instance } = group.slices[0];
  const stepMm = grid ? Math.hypot(...grid.step) : 0;
  return {
    seriesInstanceUid: instance.seriesInstanceUid,
    studyInstanceUid: instance.studyInstanceUid,
    frameOfReferenceUid: instance.frameOfReferenceUid,
    modality: instance.modality,
    placed: group.placed,
    even: grid?.even ?? true,
    deviationMm: grid?.deviationMm ?? 0,
    gaps: grid?.gaps ?? [],
    tiltDegrees: grid?.tiltDegrees ?? 0,
    units: storage.units,
    inverted: storage.inverted,
    notes: [
      ...choice(all, index),
      ...(grid ? places(grid, stepMm, group) : ["The images do not say where they lie in the patient: the grid starts at the origin."]),
      ...(storage.inverted ? ["Low stored values are shown bright (MONOCHROME1): the values were turned round."] : []),
      ...storage.notes,
      ...skipped,
    ],
  };
}

function choice(all: readonly Group[], index: number): string[] {
  if (all.length < 2) return [];
  const group = all[index];
  const which = [`${group.slices.length} slice(s)`, group.localizer ? "a localiser" : "", group.trait].filter(Boolean).join(", ");
  const rule = index === 0 ? "; it stands for the series: scans go before localisers, more slices before fewer, then the earlier one" : "";
  return [`The series holds ${all.length} volumes (other sizes, orientations, acquisitions or places). This is number ${index + 1}: ${which}${rule}.`];
}

function places(grid: Grid, stepMm: number, { slices }: Group): string[] {
  const notes: string[] = [];
  for (const { after, missing } of grid.gaps) notes.push(`${missing} slice(s) seem to be missing between slices ${after + 1} and ${after + 2} of ${slices.length}.`);
  if (!grid.even) {
    notes.push(`The slices are not evenly spaced: the grid has their mean distance of ${mm(stepMm)}, and a slice lies up to ${mm(grid.deviationMm)} from its place on it. Its true place is kept with the slice.`);
  }
  if (grid.tiltDegrees > 0) notes.push(`The slices are stacked ${Number(grid.tiltDegrees.toFixed(1))} degrees off their normal (gantry tilt): the grid is sheared in the same way.`);
  if (slices.some(({ frame }) => frame.traits["image type"]?.split("\\").includes("MOSAIC"))) {
    notes.push("The image is a mosaic of many slices in one picture: its pixels do not lie where its header says.");
  }
  if (slices.some(({ frame }) => frame.pixelSpacing === null)) notes.push("The images do not say the distance of their pixels: 1 mm is taken.");
  return notes;
}
