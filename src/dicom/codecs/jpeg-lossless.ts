/**
 * JPEG lossless with Huffman codes (ITU-T T.81, H), DICOM's .57 and .70. Our own, as the package at hand leaves out the
 * last sample of some streams and is several times slower.
 */
import { BitReader, HuffmanTable } from "./huffman.js";

interface Component {
  readonly id: number;
  readonly plane: Uint16Array;
}

interface Header {
  readonly precision: number;
  readonly rows: number;
  readonly columns: number;
  readonly components: readonly Component[];
}

export interface LosslessImage {
  /** Samples of one pixel after the other, little-endian. */
  readonly bytes: Uint8Array;
  readonly bitsAllocated: 8 | 16;
}

/** @throws RangeError where the stream is damaged, cut off, or of another process than the lossless one */
export function decodeJpegLossless(bytes: Uint8Array): LosslessImage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const tables: HuffmanTable[] = [];
  let header: Header | undefined;
  let restart = 0;
  let scanned = 0;
  for (let at = 2; at + 4 <= bytes.length && scanned < (header?.components.length ?? 1); ) {
    if (bytes[at] !== 0xff) throw new RangeError("no marker where one has to be");
    const marker = bytes[at + 1];
    if (marker === 0xff) {
      at++;
      continue;
    }
    const end = at + 2 + view.getUint16(at + 2);
    if (end > bytes.length) throw new RangeError("segment beyond the stream");
    const body = bytes.subarray(at + 4, end);
    if (marker === 0xc3) header = readHeader(body);
    else if (marker === 0xc4) readTables(body, tables);
    else if (marker === 0xdd) restart = view.getUint16(at + 4);
    else if (marker === 0xda) {
      if (!header) throw new RangeError("scan before its frame");
      const reader = new BitReader(bytes, end);
      scanned += readScan(reader, body, header, tables, restart);
      at = reader.markerAt();
      continue;
    } else if (marker === 0xd9) break;
    else if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc8 && marker !== 0xcc) throw new RangeError("not the lossless process");
    at = end;
  }
  if (!header || scanned < header.components.length) throw new RangeError("stream ends before its image");
  return packed(header);
}

function readHeader(body: Uint8Array): Header {
  const [precision, rows, columns, count] = [body[0], (body[1] << 8) | body[2], (body[3] << 8) | body[4], body[5]];
  if (precision < 2 || precision > 16 || body.length < 6 + 3 * count) throw new RangeError("frame header");
  const components = Array.from({ length: count }, (_, at) => {
    // Components of different resolution do not occur in DICOM.
    if (body[7 + 3 * at] !== 0x11) throw new RangeError("subsampled components");
    return { id: body[6 + 3 * at], plane: new Uint16Array(rows * columns) };
  });
  return { precision, rows, columns, components };
}

function readTables(body: Uint8Array, tables: HuffmanTable[]): void {
  for (let at = 0; at + 17 <= body.length; ) {
    const counts = body.subarray(at + 1, at + 17);
    const total = counts.reduce((sum, count) => sum + count, 0);
    if (at + 17 + total > body.length) throw new RangeError("Huffman table");
    tables[body[at] & 15] = new HuffmanTable(counts, body.subarray(at + 17, at + 17 + total));
    at += 17 + total;
  }
}

/** Decodes the components of one scan; returns how many. */
function readScan(reader: BitReader, body: Uint8Array, { precision, rows, columns, components }: Header, tables: readonly HuffmanTable[], restart: number): number {
  const count = body[0];
  const predictor = body[1 + 2 * count];
  const shift = body[3 + 2 * count] & 15;
  const parts = Array.from({ length: count }, (_, at) => {
    const component = components.find(({ id }) => id === body[1 + 2 * at]);
    const table = tables[body[2 + 2 * at] >> 4];
    if (!component || !table) throw new RangeError("scan header");
    return { plane: component.plane, table };
  });
  if (predictor < 1 || predictor > 7 || shift >= precision) throw new RangeError("scan header");
  const start = 1 << (precision - shift - 1);
  /** First pixel since the beginning or the last restart: the line after it has nothing above. */
  let fresh = 0;
  for (let at = 0, pixels = rows * columns; at < pixels; at++) {
    if (restart > 0 && at > 0 && at % restart === 0) {
      reader.restart();
      fresh = at;
    }
    const first = at === fresh;
    const top = at - fresh < columns;
    const left = at % columns === 0;
    for (const { plane, table } of parts) {
      const prediction = first ? start
        : top && !left ? plane[at - 1]
          : left ? plane[at - columns]
            : predict(predictor, plane[at - 1], plane[at - columns], plane[at - columns - 1]);
      plane[at] = prediction + difference(reader, table);
    }
  }
  if (shift > 0) for (const { plane } of parts) for (let at = 0; at < plane.length; at++) plane[at] <<= shift;
  return count;
}

/** Table H.1: a is to the left, b above, c above to the left. */
function predict(predictor: number, a: number, b: number, c: number): number {
  switch (predictor) {
    case 1: return a;
    case 2: return b;
    case 3: return c;
    case 4: return a + b - c;
    case 5: return a + ((b - c) >> 1);
    case 6: return b + ((a - c) >> 1);
    default: return (a + b) >> 1;
  }
}

/** Table H.2: the number of bits that follow, then those bits; 16 stands for 32768 alone. */
function difference(reader: BitReader, table: HuffmanTable): number {
  const size = table.read(reader);
  if (size === 0) return 0;
  if (size === 16) return 32768;
  if (size > 16) throw new RangeError("difference");
  const bits = reader.take(size);
  return bits < 1 << (size - 1) ? bits - (1 << size) + 1 : bits;
}

function packed({ precision, components, rows, columns }: Header): LosslessImage {
  const bitsAllocated = precision > 8 ? 16 : 8;
  const out = new (bitsAllocated === 16 ? Uint16Array : Uint8Array)(rows * columns * components.length);
  for (const [offset, { plane }] of components.entries()) {
    for (let at = 0, to = offset; at < plane.length; at++, to += components.length) out[to] = plane[at];
  }
  return { bytes: new Uint8Array(out.buffer), bitsAllocated };
}
