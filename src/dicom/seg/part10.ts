/** A DICOM file from attributes (dcmjs) and the long elements that stand at its end. */
import { createRequire } from "node:module";
import type dcmjs from "dcmjs";
import type { Attributes } from "./modules.js";

/** Loaded when the first object is written: it takes 19 MB, and most servers never write one. */
const load = () => createRequire(import.meta.url)("dcmjs") as typeof dcmjs;

const explicitLittleEndian = "1.2.840.10008.1.2.1";
const implicitLittleEndian = "1.2.840.10008.1.2";
/** Ours, made of a UUID (PS3.5 B.2): the same in every file that limnet writes. */
export const implementationClassUid = "2.25.112449232079061004111579137201248880606";

/**
 * Part 10 bytes in Explicit (or Implicit) VR Little Endian. `last`: elements of higher tags than all attributes, ready as
 * bytes and in order.
 */
export function part10(attributes: Attributes, last: readonly Uint8Array[] = [], implicit = false): Buffer {
  const { DicomMetaDictionary, DicomDict } = load().data;
  const file = new DicomDict({
    "00020001": { vr: "OB", Value: [new Uint8Array([0, 1]).buffer] },
    "00020002": { vr: "UI", Value: [attributes.SOPClassUID] },
    "00020003": { vr: "UI", Value: [attributes.SOPInstanceUID] },
    "00020010": { vr: "UI", Value: [implicit ? implicitLittleEndian : explicitLittleEndian] },
    "00020012": { vr: "UI", Value: [implementationClassUid] },
    "00020013": { vr: "SH", Value: ["LIMNET"] },
  });
  file.dict = DicomMetaDictionary.denaturalizeDataset(attributes);
  return Buffer.concat([Buffer.from(file.write()), ...last]);
}
