import type { PlannedVolume } from "../dicom/types.js";
import type { Info } from "./datastore.js";

/** What a person should know about the volume that a DICOM series became, in the info of its image. */
export function said({ info, shape }: PlannedVolume): Info {
  const { notes, placed, even, gaps, tiltDegrees, units } = info;
  return { dicom: { shape, notes, placed, even, gaps, tiltDegrees, units } };
}
