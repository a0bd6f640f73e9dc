/**
 * Bytes of data elements in little endian (PS3.5 7.1), for what comes a thousand times over: dcmjs writes the rest of an
 * object, but takes a second and more for the groups of two thousand frames.
 */
const longForm = new Set(["SQ", "OB", "OW", "UT", "UC", "UN"]);

export interface ElementWriter {
  /** An element; `tag` as 0xggggeeee. The value must have an even length. */
  element(tag: number, vr: string, value: Uint8Array): Buffer;
  /** A text value; UIDs are padded with NUL, other texts with a space. */
  text(tag: number, vr: "UI" | "DS" | "CS" | "IS" | "SH" | "LO" | "PN", value: string): Buffer;
  numbers(tag: number, vr: "US" | "UL", values: readonly number[]): Buffer;
  /** A sequence of items of known length; the elements of an item in ascending order of their tags. */
  sequence(tag: number, items: readonly (readonly Buffer[])[]): Buffer;
}

/** What stands before a value of `length` bytes. Explicit values of the short form hold at most 65534 bytes. */
export function elementHeader(tag: number, vr: string, length: number, implicit = false): Buffer {
  const long = implicit || longForm.has(vr);
  if (!long && length > 0xfffe) throw new RangeError(`${length} bytes do not fit a value of type ${vr}`);
  const header = Buffer.alloc(long && !implicit ? 12 : 8);
  header.writeUInt16LE(tag >>> 16, 0);
  header.writeUInt16LE(tag & 0xffff, 2);
  if (!implicit) header.write(vr, 4, "latin1");
  if (long) header.writeUInt32LE(length, header.length - 4);
  else header.writeUInt16LE(length, 6);
  return header;
}

/** One item of a sequence. */
export function item(elements: readonly Uint8Array[]): Buffer {
  const length = elements.reduce((sum, { length }) => sum + length, 0);
  return Buffer.concat([elementHeader(0xfffee000, "", length, true), ...elements]);
}

/** Writers of elements: explicit types, or implicit ones, which know no limit of length. */
export function elementWriter(implicit = false): ElementWriter {
  const element: ElementWriter["element"] = (tag, vr, value) => Buffer.concat([elementHeader(tag, vr, value.length, implicit), value]);
  return {
    element,
    text(tag, vr, value) {
      const bytes = Buffer.from(value, "utf8");
      return element(tag, vr, bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.from(vr === "UI" ? "\0" : " ")]));
    },
    numbers(tag, vr, values) {
      const bytes = Buffer.alloc(values.length * (vr === "US" ? 2 : 4));
      values.forEach((value, at) => (vr === "US" ? bytes.writeUInt16LE(value, 2 * at) : bytes.writeUInt32LE(value, 4 * at)));
      return element(tag, vr, bytes);
    },
    sequence: (tag, items) => element(tag, "SQ", Buffer.concat(items.map(item))),
  };
}
