/**
 * Bytes of data elements in Explicit VR Little Endian (PS3.5 7.1), for what comes a thousand times over: dcmjs writes the rest
 * of an object, but takes a second and more for the groups of two thousand frames.
 */
const longForm = new Set(["SQ", "OB", "OW", "UT", "UC", "UN"]);

/** An element; `tag` as 0xggggeeee. The value must have an even length. */
export function element(tag: number, vr: string, value: Uint8Array): Buffer {
  const long = longForm.has(vr);
  const header = elementHeader(tag, vr, value.length);
  if (!long && value.length > 0xfffe) throw new RangeError(`${value.length} bytes do not fit a value of type ${vr}`);
  return Buffer.concat([header, value]);
}

/** What stands before a value of `length` bytes. */
export function elementHeader(tag: number, vr: string, length: number): Buffer {
  const long = longForm.has(vr);
  const header = Buffer.alloc(long ? 12 : 8);
  header.writeUInt16LE(tag >>> 16, 0);
  header.writeUInt16LE(tag & 0xffff, 2);
  header.write(vr, 4, "latin1");
  if (long) header.writeUInt32LE(length, 8);
  else header.writeUInt16LE(length, 6);
  return header;
}

/** A text value; UIDs are padded with NUL, other texts with a space. */
export function textElement(tag: number, vr: "UI" | "DS" | "CS" | "IS" | "SH" | "LO", value: string): Buffer {
  const bytes = Buffer.from(value, "utf8");
  return element(tag, vr, bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.from(vr === "UI" ? "\0" : " ")]));
}

export function numbersElement(tag: number, vr: "US" | "UL", values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * (vr === "US" ? 2 : 4));
  values.forEach((value, at) => (vr === "US" ? bytes.writeUInt16LE(value, 2 * at) : bytes.writeUInt32LE(value, 4 * at)));
  return element(tag, vr, bytes);
}

/** A sequence of items of known length. */
export function sequenceElement(tag: number, items: readonly (readonly Buffer[])[]): Buffer {
  return element(tag, "SQ", Buffer.concat(items.map(item)));
}

/** One item: the elements must come in ascending order of their tags. */
export function item(elements: readonly Buffer[]): Buffer {
  const body = Buffer.concat(elements);
  const header = Buffer.alloc(8);
  header.writeUInt16LE(0xfffe, 0);
  header.writeUInt16LE(0xe000, 2);
  header.writeUInt32LE(body.length, 4);
  return Buffer.concat([header, body]);
}
