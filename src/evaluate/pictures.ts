/** Pictures of an index (JPEG, PNG) as volumes of one slice, so that the engine can look at them. */
import { readFile } from "node:fs/promises";
import { PNG } from "pngjs";
import { jpegHeader } from "../dicom/codecs/code-stream.js";
import { WasmCodecs } from "../dicom/codecs/wasm.js";
import type { Geometry, Shape } from "../imaging/geometry.js";
import { CaseError } from "./cases.js";

export interface Plane16 {
  readonly data: Uint16Array;
  readonly rows: number;
  readonly cols: number;
}

/** A slice of 1 mm pixels, rows from front to back, columns from right to left as a scan has them. */
export const flatGeometry: Geometry = { affine: [-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0] };

export const flatShape = ({ rows, cols }: Plane16): Shape => [cols, rows, 1];

/** Luma of ITU-R BT.601, as most readers make grey of colour. */
const luma = (r: number, g: number, b: number) => Math.round(0.299 * r + 0.587 * g + 0.114 * b);

const isPng = (bytes: Buffer) => bytes.length > 8 && bytes.readUInt32BE(0) === 0x89504e47;

function readPng(bytes: Buffer): { data: ArrayLike<number>; rows: number; cols: number; channels: number } {
  const { data, width: cols, height: rows } = PNG.sync.read(bytes, { skipRescale: true });
  return { data, rows, cols, channels: 4 };
}

async function readJpeg(bytes: Buffer, codecs: WasmCodecs) {
  const { width: cols, height: rows, componentCount: channels, bytes: data } = await codecs.decode("jpeg", bytes);
  return { data, rows, cols, channels };
}

async function pixels(path: string, codecs: WasmCodecs) {
  try {
    const bytes = await readFile(path);
    if (isPng(bytes)) return readPng(bytes);
    if (jpegHeader(bytes) !== undefined) return await readJpeg(bytes, codecs);
  } catch (cause) {
    throw new CaseError("the picture is missing or damaged", { cause });
  }
  throw new CaseError("the picture is neither PNG nor JPEG");
}

export class PictureReader {
  readonly #codecs = new WasmCodecs();

  /** Grey values 0..255. Throws CaseError. */
  async grey(path: string): Promise<Plane16> {
    const { data, rows, cols, channels } = await pixels(path, this.#codecs);
    const grey = Uint16Array.from({ length: rows * cols }, (_, i) => {
      const at = i * channels;
      return channels < 3 ? data[at] : luma(data[at], data[at + 1], data[at + 2]);
    });
    return { data: grey, rows, cols };
  }

  /** Label values: the first channel as it is stored. Throws CaseError. */
  async labels(path: string): Promise<Plane16> {
    const { data, rows, cols, channels } = await pixels(path, this.#codecs);
    return { data: Uint16Array.from({ length: rows * cols }, (_, i) => data[i * channels]), rows, cols };
  }
}
