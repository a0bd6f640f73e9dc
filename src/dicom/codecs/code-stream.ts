/** What the header of a compressed frame says of itself, read before a decoder allocates anything for it. */

export interface StreamHeader {
  readonly rows: number;
  readonly columns: number;
  readonly components: number;
  readonly precision: number;
}

/**
 * Header of a JPEG or JPEG-LS stream: its first frame marker (ITU-T T.81, B.2.2; T.87, C.2.2). Undefined where there is
 * none.
 */
export function jpegHeader(bytes: Uint8Array): StreamHeader | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 4 || view.getUint16(0) !== 0xffd8) return undefined;
  for (let at = 2; at + 9 < bytes.length; ) {
    const [mark, kind] = [bytes[at], bytes[at + 1]];
    if (mark !== 0xff) return undefined;
    // Fill bytes may precede a marker.
    if (kind === 0xff) {
      at++;
      continue;
    }
    const frame = (kind >= 0xc0 && kind <= 0xcf && kind !== 0xc4 && kind !== 0xc8 && kind !== 0xcc) || kind === 0xf7;
    if (frame) return { precision: bytes[at + 4], rows: view.getUint16(at + 5), columns: view.getUint16(at + 7), components: bytes[at + 9] };
    at += 2 + view.getUint16(at + 2);
  }
  return undefined;
}

/** Header of a JPEG 2000 code stream, bare or inside a JP2 file: the SIZ marker (ITU-T T.800, A.5.1). */
export function jpeg2000Header(bytes: Uint8Array): StreamHeader | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const at = buffer.subarray(0, 4096).indexOf(Buffer.from([0xff, 0x4f, 0xff, 0x51]));
  if (at < 0 || at + 43 > buffer.length) return undefined;
  const siz = at + 4;
  const [right, bottom, left, top] = [4, 8, 12, 16].map((offset) => buffer.readUInt32BE(siz + offset));
  return {
    columns: right - left, rows: bottom - top, components: buffer.readUInt16BE(siz + 36), precision: (buffer[siz + 38] & 0x7f) + 1,
  };
}
