/** A label in the formats that people take away: DICOM for archives, .seg.nrrd for Slicer, NRRD and NIfTI for research. */
import { writeFile } from "node:fs/promises";
import { LimnetError } from "../errors.js";
import type { Grid } from "../imaging/align.js";
import { writeNifti } from "../imaging/nifti-write.js";
import { writeNrrd } from "../imaging/nrrd-write.js";
import type { Volume } from "../imaging/volume.js";
import { encodeRtstruct } from "./rtstruct/encode.js";
import { encodeSeg } from "./seg/encode.js";
import { layersOf, placeFrames } from "./seg/frames.js";
import { slicerTags } from "./seg/label-info.js";
import type { LabelSource, Making } from "./seg/modules.js";
import { colorOf, type Segment } from "./seg/segments.js";

/** Formats and the extensions of their files. */
export const exportFormats = {
  dicom_seg: ".dcm", dicom_labelmap: ".dcm", rtstruct: ".dcm", "seg.nrrd": ".seg.nrrd", nrrd: ".nrrd", "nii.gz": ".nii.gz",
} as const;

export type ExportFormat = keyof typeof exportFormats;

/**
 * Writes `segments`, whose label arrays are on `grid`, to `path`. The DICOM formats need the `source` of that grid.
 * @throws LimnetError unsupported_output without a source, or for overlapping objects in a format of one value a voxel;
 *   bad_params for an empty label in DICOM
 */
export async function exportLabel(segments: readonly Segment[], grid: Grid, source: LabelSource | null, format: ExportFormat, making: Making, path: string): Promise<void> {
  if (format === "seg.nrrd") return writeSegments(segments, grid, path);
  if (format === "nrrd" || format === "nii.gz") {
    const volume = oneLayer(segments, grid);
    return format === "nrrd" ? writeNrrd(volume, path, { encoding: "gzip" }) : writeNifti(volume, path, { gzip: true });
  }
  if (!source) throw new LimnetError("unsupported_output", "The image is no DICOM series, so there is nothing that a DICOM label could refer to. Ask for seg.nrrd, nrrd or nii.gz.");
  const bytes = format === "rtstruct" ? encodeRtstruct(source, segments, making) : encodeSeg(source, segments, { ...making, kind: format === "dicom_labelmap" ? "labelmap" : "binary" });
  await writeFile(path, bytes);
}

/** One number a voxel: 1 and up, in the order of the segments. */
function oneLayer(segments: readonly Segment[], { shape, geometry }: Grid): Volume {
  if (placeFrames(segments, shape).overlap) throw new LimnetError("unsupported_output", "Objects of this label overlap, which one number a voxel cannot hold. Ask for seg.nrrd or dicom_seg.");
  const voxels = segments.length < 256 ? new Uint8Array(shape[0] * shape[1] * shape[2]) : new Uint16Array(shape[0] * shape[1] * shape[2]);
  for (const { labels, numbers } of layersOf(segments, shape)) {
    for (let at = 0; at < voxels.length; at++) if (numbers[labels[at]] > 0) voxels[at] = numbers[labels[at]];
  }
  return { voxels, shape, geometry, slope: 1, intercept: 0 };
}

/** Slicer's segmentation: every label array a layer, names, colours and codes beside it. */
async function writeSegments(segments: readonly Segment[], { shape, geometry }: Grid, path: string): Promise<void> {
  const arrays = layersOf(segments, shape);
  const size = shape[0] * shape[1] * shape[2];
  const wide = arrays.some(({ labels }) => labels instanceof Uint16Array);
  const layers = Math.max(1, arrays.length);
  const voxels = new (wide ? Uint16Array : Uint8Array)(size * layers);
  for (const [layer, { labels, numbers }] of arrays.entries()) {
    for (let at = 0; at < size; at++) if (numbers[labels[at]] > 0) voxels[at * layers + layer] = labels[at];
  }
  await writeNrrd({ voxels, shape, geometry, slope: 1, intercept: 0 }, path, {
    encoding: "gzip", layers,
    segments: segments.map((segment, at) => {
      const [red, green, blue] = colorOf(segment, at);
      return { name: segment.name, value: segment.value, layer: arrays.findIndex(({ labels }) => labels === segment.labels), color: [red / 255, green / 255, blue / 255], tags: slicerTags(segment.coding) };
    }),
  });
}
