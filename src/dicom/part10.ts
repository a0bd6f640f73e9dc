/** Bytes of a DICOM file (PS3.10, 7) to its elements, for every uncompressed form of the dataset. */
import { promisify } from "node:util";
import { inflateRaw } from "node:zlib";
import type { DataSet } from "dicom-parser";
import { badVolume } from "../imaging/volume.js";
import { dicomParser } from "./dataset.js";
import { bigEndian, deflatedLittleEndian, explicitLittleEndian, implicitLittleEndian } from "./transfer-syntax.js";

export interface Part10 {
  readonly data: DataSet;
  readonly transferSyntaxUid: string;
  readonly littleEndian: boolean;
}

/** Most bytes of a deflated dataset after unpacking: a bomb stops there. */
const mostInflated = 2 ** 30;

/**
 * Takes a file apart; pixels stay where they are in `bytes` (a deflated file is unpacked into new memory).
 * @throws LimnetError bad_volume where the bytes are no DICOM, or end too early
 */
export async function parsePart10(bytes: Uint8Array): Promise<Part10> {
  const headed = isPart10(bytes);
  if (!headed && !looksLikeBareDataset(bytes)) throw badVolume("The file is not DICOM: it has no DICM after 128 bytes. Send DICOM Part 10 files.");
  try {
    if (!headed) {
      return { data: dicomParser.parseDicom(bytes, { TransferSyntaxUID: implicitLittleEndian }), transferSyntaxUid: implicitLittleEndian, littleEndian: true };
    }
    const { uid, end } = metaHeader(bytes);
    if (uid === deflatedLittleEndian) {
      const body = await promisify(inflateRaw)(bytes.subarray(end), { maxOutputLength: mostInflated });
      return { data: dicomParser.parseDicom(body, { TransferSyntaxUID: explicitLittleEndian }), transferSyntaxUid: uid, littleEndian: true };
    }
    return { data: dicomParser.parseDicom(bytes), transferSyntaxUid: uid, littleEndian: uid !== bigEndian };
  } catch (error) {
    // dicom-parser throws strings, and objects around strings; a RangeError is a file nested without end.
    throw badVolume("The DICOM file is damaged or cut off: its elements cannot be read to the end. Send it again.", error);
  }
}

/** Puts what stands before the pixels into memory of its own. */
export function keepHeader(data: DataSet): void {
  move(data, new Uint8Array(data.byteArray.subarray(0, data.elements.x7fe00010?.dataOffset)));
}

function move(data: DataSet, bytes: Uint8Array): void {
  data.byteArray = bytes;
  for (const { items } of Object.values(data.elements)) for (const { dataSet } of items ?? []) if (dataSet) move(dataSet, bytes);
}

export function isPart10(bytes: Uint8Array): boolean {
  return bytes.length > 132 && bytes[128] === 0x44 && bytes[129] === 0x49 && bytes[130] === 0x43 && bytes[131] === 0x4d;
}

/** Files of the time before Part 10: they begin with a short element of group 0008. */
function looksLikeBareDataset(bytes: Uint8Array): boolean {
  return bytes.length > 64 && bytes[0] === 8 && bytes[1] === 0 && bytes[3] === 0 && bytes[5] === 0 && bytes[6] === 0 && bytes[7] === 0;
}

function metaHeader(bytes: Uint8Array): { uid: string; end: number } {
  const meta = dicomParser.readPart10Header(bytes) as DataSet & { position: number };
  return { uid: meta.string("x00020010") ?? "", end: meta.position };
}
