/** The little that has to be known of a Part 10 file before it is read: its UID, from the file meta information (PS3.10 table 7.1-1). */
import { isUid } from "./json.js";

const longForms = new Set(["OB", "OW", "OF", "OD", "OL", "SQ", "UC", "UR", "UT", "UN"]);

export interface FileMeta {
  readonly sopClass: string;
  readonly sopInstance: string;
  readonly transferSyntax: string;
}

/** Null where the file has no readable meta information. */
export function fileMeta(file: Buffer): FileMeta | null {
  if (file.length < 144 || file.toString("latin1", 128, 132) !== "DICM") return null;
  const found: Record<number, string> = {};
  for (let at = 132; at + 8 <= file.length && file.readUInt16LE(at) === 2; ) {
    const element = file.readUInt16LE(at + 2);
    const long = longForms.has(file.toString("latin1", at + 4, at + 6));
    if (long && at + 12 > file.length) break;
    const start = at + (long ? 12 : 8);
    const length = long ? file.readUInt32LE(at + 8) : file.readUInt16LE(at + 6);
    if (length === 0xffffffff || start + length > file.length) break;
    // eslint-disable-next-line no-control-regex -- UIDs are padded with a NUL
    if (length <= 66) found[element] = file.toString("latin1", start, start + length).replace(/[\u0000 ]+$/, "");
    at = start + length;
  }
  return { sopClass: found[0x0002] ?? "", sopInstance: found[0x0003] ?? "", transferSyntax: found[0x0010] ?? "" };
}

/** SOP Instance UID of a file; null where its meta information does not say. */
export function sopInstanceOf(file: Buffer): string | null {
  const uid = fileMeta(file)?.sopInstance ?? "";
  return isUid(uid) ? uid : null;
}
