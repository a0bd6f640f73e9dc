/** A small CT that exists nowhere: Part 10 files and the DICOM JSON that an archive would answer for them. */
import { part10 } from "../../src/dicom/seg/part10.js";

export const study = "1.2.826.0.1.3680043.10.1";
export const series = "1.2.826.0.1.3680043.10.1.1";

export interface TestInstance {
  readonly uid: string;
  readonly file: Buffer;
  readonly json: Record<string, { vr: string; Value?: unknown[] }>;
}

const value = (vr: string, ...Value: unknown[]) => ({ vr, Value });

/**
 * `slices` axial slices of `size` x `size` pixels, 2 mm apart; pixel (row, col) of slice k is 100 k + row, stored; `intercept` is added to
 * it. `others`: attributes of the file of slice k that differ.
 */
export function ctSeries(slices = 6, size = 16, intercept = 0, others: (k: number) => Record<string, unknown> = () => ({})): TestInstance[] {
  return Array.from({ length: slices }, (_, k) => {
    const uid = `${series}.${k + 1}`;
    const pixels = Buffer.alloc(2 * size * size);
    for (let at = 0; at < size * size; at++) pixels.writeInt16LE(100 * k + Math.floor(at / size), 2 * at);
    const position = [-10, -20, 30 + 2 * k];
    const orientation = [1, 0, 0, 0, 1, 0];
    const file = part10({
      SOPClassUID: "1.2.840.10008.5.1.4.1.1.2", SOPInstanceUID: uid, StudyInstanceUID: study, SeriesInstanceUID: series,
      FrameOfReferenceUID: `${study}.9`, Modality: "CT", PatientName: "Test^Case", PatientID: "T1", PatientBirthDate: "", PatientSex: "",
      StudyDate: "20260102", StudyTime: "101112", StudyID: "1", AccessionNumber: "", ReferringPhysicianName: "", SeriesNumber: 1, InstanceNumber: k + 1,
      SliceThickness: 2, ImagePositionPatient: position, ImageOrientationPatient: orientation, PixelSpacing: [1, 1], RescaleSlope: 1, RescaleIntercept: intercept,
      SamplesPerPixel: 1, PhotometricInterpretation: "MONOCHROME2", Rows: size, Columns: size, BitsAllocated: 16, BitsStored: 16, HighBit: 15, PixelRepresentation: 1, ...others(k),
    }, [header(pixels.length), pixels]);
    const json = {
      "00080016": value("UI", "1.2.840.10008.5.1.4.1.1.2"), "00080018": value("UI", uid), "00080060": value("CS", "CT"), "00100020": value("LO", "T1"),
      "00080020": value("DA", "20260102"), "00080030": value("TM", "101112"),
      "0020000D": value("UI", study), "0020000E": value("UI", series), "00200013": value("IS", k + 1), "00200032": value("DS", ...position), "00200037": value("DS", ...orientation),
      "00200052": value("UI", `${study}.9`), "00280002": value("US", 1), "00280004": value("CS", "MONOCHROME2"), "00280010": value("US", size), "00280011": value("US", size),
      "00280030": value("DS", 1, 1), "00280100": value("US", 16), "00280101": value("US", 16), "00280102": value("US", 15), "00280103": value("US", 1),
      "00281052": value("DS", intercept), "00281053": value("DS", 1), "7FE00010": { vr: "OW", BulkDataURI: "http://elsewhere.invalid/bulk" },
    };
    return { uid, file, json };
  });
}

/** (7FE0,0010) OW, explicit little endian. */
function header(length: number): Buffer {
  const bytes = Buffer.from([0xe0, 0x7f, 0x10, 0x00, 0x4f, 0x57, 0, 0, 0, 0, 0, 0]);
  bytes.writeUInt32LE(length, 8);
  return bytes;
}
