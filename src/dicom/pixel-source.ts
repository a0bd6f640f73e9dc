/** Where the pixels of each frame lie in a file (PS3.5, 8.2 and A.4). Nothing is copied that lies in one piece. */
import type { DataSet, Element } from "dicom-parser";
import { badVolume } from "../imaging/volume.js";
import type { PixelFormat } from "./instance.js";
import { bigEndian, transferSyntax } from "./transfer-syntax.js";
import type { EncodedFrame } from "./types.js";

/** Gives the encoded pixels of a frame, numbered from 1. */
export interface PixelSource {
  readonly transferSyntaxUid: string;
  /** @throws LimnetError bad_volume where the frame is not all there */
  frame(number: number): EncodedFrame;
}

const cutOff = "The DICOM image ends before its last pixel. It was cut off on the way: send the whole file.";
const unclear = "The frames of the compressed DICOM image cannot be told apart: its table of offsets is missing or wrong. Export it uncompressed.";

/** Null where the object holds no integer pixels (reports, structures, parametric maps in floats). */
export function findPixels(data: DataSet, transferSyntaxUid: string, format: PixelFormat, frames: number): PixelSource | null {
  const element = data.elements.x7fe00010;
  if (!element) return null;
  const { rows, columns, samplesPerPixel, bitsAllocated, bitsStored, signed, planar } = format;
  const { byteArray } = data;
  const header = { transferSyntaxUid, rows, columns, samplesPerPixel, bitsAllocated, bitsStored, signed, planar };
  if (element.encapsulatedPixelData) {
    const parts = once(() => splitFragments(data, byteArray, element, frames));
    return { transferSyntaxUid, frame: (number) => ({ ...header, bytes: join(byteArray, parts()[number - 1]) }) };
  }
  const whole = byteArray.subarray(element.dataOffset, element.dataOffset + element.length);
  return {
    transferSyntaxUid,
    frame(number) {
      const packing = transferSyntax(transferSyntaxUid)?.packing;
      if (packing !== undefined && packing !== "native") throw badVolume("The DICOM image says it is compressed but is not. Export it again.");
      const size = nativeBytes(format);
      if (number * size > whole.length) throw badVolume(cutOff);
      const bytes = whole.subarray((number - 1) * size, number * size);
      return { ...header, bytes: transferSyntaxUid === bigEndian ? turned(bytes, bitsAllocated, element.vr) : bytes };
    },
  };
}

/** Bytes of one frame in native form; YBR_FULL_422 shares its colour between two pixels (PS3.3, C.7.6.3.1.2). */
export function nativeBytes({ rows, columns, samplesPerPixel, bitsAllocated, photometric }: PixelFormat): number {
  const samples = photometric === "YBR_FULL_422" || photometric === "YBR_PARTIAL_422" ? 2 : samplesPerPixel;
  return Math.ceil((rows * columns * samples * bitsAllocated) / 8);
}

/** Big-endian words of 16 bits in the order of the machine; 8-bit samples may have been written as words too. */
function turned(bytes: Uint8Array, bitsAllocated: number, vr: string | undefined): Uint8Array {
  if (bitsAllocated === 32) return Buffer.from(bytes).swap32();
  if (bitsAllocated === 16 || (vr === "OW" && bytes.length % 2 === 0)) return Buffer.from(bytes).swap16();
  return bytes;
}

type Piece = readonly [start: number, end: number];

function splitFragments(data: DataSet, bytes: Uint8Array, element: Element, frames: number): Piece[][] {
  const fragments = (element.fragments ?? []).map(({ position, length, offset }) => ({ piece: [position, position + length] as Piece, offset }));
  if (fragments.some(({ piece }) => piece[1] > bytes.length)) throw badVolume(cutOff);
  if (fragments.length < frames) throw badVolume(cutOff);
  const pieces = fragments.map(({ piece }) => piece);
  if (frames === 1) return [pieces];
  if (fragments.length === frames) return pieces.map((piece) => [piece]);
  const starts = frameStarts(data, bytes, element, fragments, frames);
  return starts.map((start, at) => pieces.slice(start, starts[at + 1] ?? pieces.length));
}

/** Index of the first fragment of each frame: by one of the offset tables, else by how a code stream begins. */
function frameStarts(data: DataSet, bytes: Uint8Array, element: Element, fragments: readonly { piece: Piece; offset: number }[], frames: number): number[] {
  const table = extendedOffsets(data, bytes) ?? element.basicOffsetTable ?? [];
  if (table.length === frames) {
    const starts = table.map((offset) => fragments.findIndex((fragment) => fragment.offset === offset));
    if (starts[0] === 0 && starts.every((start, at) => at === 0 || start > starts[at - 1])) return starts;
    throw badVolume(unclear);
  }
  const starts = fragments.flatMap(({ piece: [start] }, at) => {
    const [a, b, c] = bytes.subarray(start, start + 3);
    return a === 0xff && ((b === 0xd8 && c === 0xff) || (b === 0x4f && c === 0xff)) ? [at] : [];
  });
  if (starts.length !== frames || starts[0] !== 0) throw badVolume(unclear);
  return starts;
}

/** Extended Offset Table (7FE0,0001): 64-bit offsets. */
function extendedOffsets(data: DataSet, bytes: Uint8Array): number[] | undefined {
  const element = data.elements.x7fe00001;
  if (!element) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + element.dataOffset, element.length);
  return Array.from({ length: element.length >> 3 }, (_, at) => Number(view.getBigUint64(8 * at, true)));
}

function join(bytes: Uint8Array, pieces: readonly Piece[] | undefined): Uint8Array {
  if (!pieces || pieces.length === 0) throw badVolume(cutOff);
  if (pieces.length === 1) return bytes.subarray(...pieces[0]);
  return Buffer.concat(pieces.map((piece) => bytes.subarray(...piece)));
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
