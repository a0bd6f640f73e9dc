/** Text of a file in its Specific Character Set (PS3.3, C.12.1.1.2), as the names of the WHATWG decoders. */

const single: Record<string, string> = {
  "ISO_IR 100": "windows-1252", "ISO_IR 101": "iso-8859-2", "ISO_IR 109": "iso-8859-3", "ISO_IR 110": "iso-8859-4",
  "ISO_IR 144": "iso-8859-5", "ISO_IR 127": "iso-8859-6", "ISO_IR 126": "iso-8859-7", "ISO_IR 138": "iso-8859-8",
  "ISO_IR 148": "windows-1254", "ISO_IR 203": "iso-8859-15", "ISO_IR 13": "shift_jis", "ISO_IR 166": "windows-874",
  "ISO_IR 192": "utf-8", "GB18030": "gb18030", "GBK": "gbk",
};

/** Character sets that are switched to by an escape sequence inside a value. */
const switched: Record<string, string> = {
  "ISO 2022 IR 87": "iso-2022-jp", "ISO 2022 IR 159": "iso-2022-jp", "ISO 2022 IR 149": "euc-kr", "ISO 2022 IR 58": "gb18030",
};

/** Defined terms of Specific Character Set that are read. */
export const characterSets: readonly string[] = [...Object.keys(single), ...Object.keys(switched)];

/**
 * The bytes of a value as text. Escape sequences of ISO 2022 are left to the decoder for Japanese and dropped for the
 * others, whose bytes cannot be taken for ASCII. What is not known is read as Latin-1, so that nothing is lost.
 */
export function decodeText(bytes: Uint8Array, charsets: readonly string[]): string {
  if (bytes.every((byte) => byte < 0x80 && byte !== 0x1b)) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
  const wanted = charsets.filter((name) => name !== "");
  const multi = wanted.find((name) => name in switched);
  if (multi !== undefined && bytes.includes(0x1b)) {
    const encoding = switched[multi];
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
    // eslint-disable-next-line no-control-regex -- escape sequences are what is looked for
    const kept = encoding === "iso-2022-jp" ? text : text.replace(/\u001b[$()*+\-./]{1,3}[0-9A-Z]/g, "");
    return new TextDecoder(encoding).decode(Buffer.from(kept, "latin1"));
  }
  const name = (wanted[0] ?? "ISO_IR 100").replace(/^ISO 2022 IR/, "ISO_IR");
  return new TextDecoder(single[name] ?? "windows-1252").decode(bytes);
}
