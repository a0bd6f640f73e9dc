/** Labels between the files that clients send and the DICOM objects that an archive keeps. */
import type { LabelWork } from "../../dicom/labels.js";

export type { LabelObject } from "../../dicom/labels.js";
export { newUid } from "../../dicom/seg/values.js";

/** How labels become DICOM and come back. */
export type LabelFormat = Pick<LabelWork, "write" | "read">;
