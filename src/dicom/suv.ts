/**
 * Standardised uptake value by body weight (QIBA, "Vendor-neutral pseudo-code for SUV calculation"): what a stored PET
 * value in Bq/ml is multiplied with.
 */
import { type Dataset, number, text } from "./dataset.js";

/** A factor, or why there is none, in words that end a sentence. */
export function suvFactor(dataset: Dataset): number | string {
  const units = text(dataset, "Units");
  if (units === "GML") return 1;
  if (units === "CNTS") return number(dataset, "PhilipsSuvFactor") || "its values are counts without a factor";
  if (units !== "BQML") return `its units are ${units === "" ? "not stated" : units}, not Bq/ml`;
  const drug = dataset.items("RadiopharmaceuticalInformationSequence").at(0);
  const weight = number(dataset, "PatientWeight");
  const dose = drug && number(drug, "RadionuclideTotalDose");
  const halfLife = drug && number(drug, "RadionuclideHalfLife");
  if (!weight || !dose || !halfLife) return "the weight of the patient, the dose or the half-life is missing";
  const correction = text(dataset, "DecayCorrection");
  if (correction === "ADMIN") return (1000 * weight) / dose;
  if (correction !== "START") return "its values are not corrected for decay";
  if (!text(dataset, "CorrectedImage") || !dataset.texts("CorrectedImage").includes("DECY")) return "its values are not corrected for decay";
  const seconds = delay(dataset, drug);
  if (seconds === undefined) return "the time between injection and scan is not known";
  return (1000 * weight) / (dose * 2 ** (-seconds / halfLife));
}

/** Seconds from the injection to the time that values are corrected to: the start of the series. */
function delay(dataset: Dataset, drug: Dataset): number | undefined {
  const series = moment(text(dataset, "SeriesDate"), text(dataset, "SeriesTime"));
  const acquired = moment(text(dataset, "AcquisitionDate"), text(dataset, "AcquisitionTime"));
  // A series that was made anew after the scan has a later time than its images: then nothing here says when it began.
  if (series === undefined || (acquired !== undefined && series > acquired)) return undefined;
  const stated = text(drug, "RadiopharmaceuticalStartDateTime");
  const injected = stated ? moment(stated.slice(0, 8), stated.slice(8)) : moment(text(dataset, "SeriesDate"), text(drug, "RadiopharmaceuticalStartTime"));
  if (injected === undefined) return undefined;
  let seconds = series - injected;
  // Only the time of day is known: the injection was before midnight.
  if (seconds < 0 && !stated) seconds += 86_400;
  return seconds >= 0 && seconds < 7 * 86_400 ? seconds : undefined;
}

/** Seconds since some day, of a DICOM date and time (without zones: both come from one scanner). */
function moment(date: string, time: string): number | undefined {
  const day = /^(\d{4})(\d{2})(\d{2})$/.exec(date);
  const clock = /^(\d{2})(\d{2})?(\d{2}(?:\.\d+)?)?/.exec(time);
  if (!day || !clock) return undefined;
  return Date.UTC(Number(day[1]), Number(day[2]) - 1, Number(day[3])) / 1000 + 3600 * Number(clock[1]) + 60 * Number(clock[2] ?? 0) + Number(clock[3] ?? 0);
}
