/** DICOM JSON (PS3.18 annex F): single attributes out of objects that a stranger sent. */

export type Attributes = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** All values of an attribute; [] where there is none. */
export function valuesOf(attributes: Attributes, tag: string): unknown[] {
  const attribute = attributes[tag];
  return isObject(attribute) && Array.isArray(attribute.Value) ? attribute.Value : [];
}

/** The first value as text; "" where there is none. A name (PN) gives its alphabetic form. */
export function textOf(attributes: Attributes, tag: string): string {
  const [value] = valuesOf(attributes, tag);
  if (isObject(value)) return typeof value.Alphabetic === "string" ? value.Alphabetic : "";
  return typeof value === "string" || typeof value === "number" ? String(value).trim() : "";
}

/** The first value as a number; null where there is none. */
export function numberOf(attributes: Attributes, tag: string): number | null {
  const [value] = valuesOf(attributes, tag);
  if (typeof value !== "number" && (typeof value !== "string" || value.trim() === "")) return null;
  return Number.isFinite(Number(value)) ? Number(value) : null;
}

/** The items of a sequence. */
export function itemsOf(attributes: Attributes, tag: string): Attributes[] {
  return valuesOf(attributes, tag).filter(isObject);
}

/** A UID as PS3.5 section 9 has it, a little laxer (archives hold UIDs with leading zeros). */
export function isUid(text: string): boolean {
  return text.length <= 64 && /^[0-9]+(\.[0-9]+)*$/.test(text);
}

/** The attributes that are asked for, by their keyword in PS3.6. */
export const tags = {
  SOPClassUID: "00080016",
  SOPInstanceUID: "00080018",
  StudyDate: "00080020",
  StudyTime: "00080030",
  Modality: "00080060",
  SeriesDescription: "0008103E",
  ReferencedSeriesSequence: "00081115",
  FailureReason: "00081197",
  FailedSOPSequence: "00081198",
  ReferencedSOPSequence: "00081199",
  ReferencedSOPClassUID: "00081150",
  ReferencedSOPInstanceUID: "00081155",
  RetrieveURL: "00081190",
  WarningReason: "00081196",
  SourceImageSequence: "00082112",
  DerivationImageSequence: "00089124",
  SharedFunctionalGroupsSequence: "52009229",
  PerFrameFunctionalGroupsSequence: "52009230",
  PatientID: "00100020",
  StudyInstanceUID: "0020000D",
  SeriesInstanceUID: "0020000E",
  InstanceNumber: "00200013",
  NumberOfSeriesRelatedInstances: "00201209",
  Rows: "00280010",
  Columns: "00280011",
  NumberOfFrames: "00280008",
  PixelData: "7FE00010",
} as const;
