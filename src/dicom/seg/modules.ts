/** Modules that every derived object takes from its source or says of itself (PS3.3 C.7, C.12): shared by SEG and RTSTRUCT. */
import { LimnetError } from "../../errors.js";
import { type Keyword, tags } from "../tags.js";
import type { PlannedVolume } from "../types.js";
import { dateTime, newUid, personName, text, uidOf } from "./values.js";

/** The series that a label belongs to: where its slices are, and who the patient is. */
export type LabelSource = Pick<PlannedVolume, "info" | "slices" | "attributes" | "shape" | "geometry">;

/** Attributes by keyword, as dcmjs takes them. */
export type Attributes = Record<string, unknown>;

/** Who made a label, with what, and when. */
export interface Making {
  /** Person who clicked or drew, shown as the content's creator; the program where nobody is known. */
  readonly reader?: string;
  /** Version of limnet. */
  readonly version: string;
  readonly time: Date;
  /** Given: the object is the same, byte for byte, whenever it is made of the same label. Default: new ones. */
  readonly uids?: { readonly series: string; readonly instance: string };
  readonly seriesNumber?: number;
  readonly seriesDescription?: string;
}

export const manufacturer = "limnet";

/** Written even when empty: type 2 in the Patient and General Study modules. */
const always = [
  "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyID",
] as const;

/** Patient, Patient Study, General Study and Clinical Trial attributes, copied where the source has them. */
const whereThere = [
  "IssuerOfPatientID", "PatientBirthTime", "OtherPatientNames", "EthnicGroup", "QualityControlSubject", "PatientIdentityRemoved",
  "DeidentificationMethod", "PatientSpeciesDescription", "PatientBreedDescription", "ResponsiblePerson", "ResponsibleOrganization",
  "StudyDescription", "ConsultingPhysicianName", "PhysiciansOfRecord", "NameOfPhysiciansReadingStudy", "PatientAge", "PatientSize",
  "PatientWeight", "Occupation", "SmokingStatus", "PatientSexNeutered", "AdmissionID", "ClinicalTrialSponsorName", "ClinicalTrialProtocolID",
  "ClinicalTrialProtocolName", "ClinicalTrialSiteID", "ClinicalTrialSiteName", "ClinicalTrialSubjectID", "ClinicalTrialSubjectReadingID",
  "ClinicalTrialTimePointID",
] as const;

/**
 * Patient and study of the source. Texts are decoded already, so that one character set fits all: UTF-8. Values that the
 * source writes against the standard are mended, or left out where nothing depends on them; who the patient is never changes.
 * @throws LimnetError unsupported_output where the source has no UIDs to refer to
 */
export function patientAndStudy({ attributes, info, slices }: LabelSource): Attributes {
  if (!info.studyInstanceUid || !info.seriesInstanceUid || slices.some(({ sopClassUid, sopInstanceUid }) => !sopClassUid || !sopInstanceUid)) {
    throw new LimnetError("unsupported_output", "The DICOM images have no study, series or instance UID, so no label can refer to them. Ask for seg.nrrd, nrrd or nii.gz, or import the images into an archive that gives them one.");
  }
  const out: Attributes = { SpecificCharacterSet: "ISO_IR 192", StudyInstanceUID: info.studyInstanceUid };
  for (const keyword of always) out[keyword] = valid(keyword, attributes[keyword] ?? "");
  for (const keyword of whereThere) {
    const value = valid(keyword, attributes[keyword] ?? "");
    if (value !== "") out[keyword] = value;
  }
  // Sources may say how in a code sequence, which is not copied; saying nothing is against the standard (PS3.3 C.7.1.1).
  if (out.PatientIdentityRemoved === "YES") out.DeidentificationMethod ??= "See the source images";
  return out;
}

/** Identifiers are kept as they are, whatever their length: another one would be another patient. */
const identifiers = new Set<Keyword>(["PatientID", "AccessionNumber", "PatientName", "ClinicalTrialSubjectID"]);

/** Several values of one attribute come joined by backslashes. */
function valid(keyword: Keyword, value: string): string | string[] {
  const [, vr] = tags[keyword];
  if (!identifiers.has(keyword)) {
    const age = /^(\d{1,3})([DWMY])$/.exec(value);
    if (vr === "AS") return age ? age[1].padStart(3, "0") + age[2] : "";
    const form = { DA: /^\d{8}$/, TM: /^\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?$/, DS: /^[-+ ]?[0-9.eE+-]{1,15}$/, CS: /^[A-Z0-9 _\\]{1,80}$/ }[vr as string];
    if (form && !form.test(value)) return "";
  }
  const most = identifiers.has(keyword) ? Infinity : vr === "SH" ? 16 : 64;
  const values = value.split("\\").map((one) => (vr === "PN" ? one : [...one].slice(0, most).join("").trim()));
  return values.length > 1 ? values : values[0];
}

/**
 * Frame of reference of the label: the source's, as viewers lay over each other only what shares one. A source without one
 * gets one of its own, the same for every label of the series.
 */
export function frameOfReference({ info, attributes }: LabelSource): Attributes {
  return {
    FrameOfReferenceUID: info.frameOfReferenceUid || uidOf("frame of reference", info.seriesInstanceUid),
    PositionReferenceIndicator: attributes.PositionReferenceIndicator ?? "",
  };
}

/** SOP Common, General Series and General Equipment of the new object. */
export function newObject(modality: "SEG" | "RTSTRUCT", sopClassUid: string, making: Making): Attributes {
  const { date, time } = dateTime(making.time);
  const uids = making.uids ?? { series: newUid(), instance: newUid() };
  return {
    SOPClassUID: sopClassUid,
    SOPInstanceUID: uids.instance,
    InstanceCreationDate: date,
    InstanceCreationTime: time,
    Modality: modality,
    SeriesInstanceUID: uids.series,
    SeriesNumber: String(making.seriesNumber ?? 1),
    InstanceNumber: "1",
    SeriesDate: date,
    SeriesTime: time,
    ...(making.seriesDescription ? { SeriesDescription: text(making.seriesDescription) } : {}),
    Manufacturer: manufacturer,
    ManufacturerModelName: "limnet",
    SoftwareVersions: text(making.version),
  };
}

export function creatorName(making: Making): string {
  return personName(making.reader || "limnet");
}

/** Instances that the label was made on, each once, in the order of the slices. */
export function referencedInstances({ slices }: LabelSource): { ReferencedSOPClassUID: string; ReferencedSOPInstanceUID: string }[] {
  const seen = new Map(slices.map(({ sopClassUid, sopInstanceUid }) => [sopInstanceUid, sopClassUid]));
  return [...seen].map(([instance, sopClass]) => ({ ReferencedSOPClassUID: sopClass, ReferencedSOPInstanceUID: instance }));
}
