/** Decoded bytes to one stored sample per pixel (PS3.3, C.7.6.3.1): sign, bit depth, colour to grey, MONOCHROME1. */
import { badVolume } from "../imaging/volume.js";
import type { Dataset } from "./dataset.js";
import type { PixelFormat } from "./instance.js";
import type { Keyword } from "./tags.js";
import type { DecodedFrame } from "./types.js";
import { rescaleWords, type Words } from "./words.js";

/** Arrays that stored samples are put into. */
export type Samples = Uint8Array | Int8Array | Uint16Array | Int16Array | Float32Array | Int32Array | Uint32Array;

/** Why a format cannot be read, in words that end a sentence; null where it can. */
export function formatProblem({ bitsAllocated, bitsStored, highBit, samplesPerPixel, photometric }: PixelFormat): string | null {
  if (bitsAllocated === 1) return "its pixels are single bits, a mask and not a scan";
  if (bitsAllocated !== 8 && bitsAllocated !== 16 && bitsAllocated !== 32) return `its pixels have ${bitsAllocated} bits; 8, 16 and 32 are read`;
  if (bitsStored < 1 || bitsStored > bitsAllocated || highBit < bitsStored - 1 || highBit >= bitsAllocated) return "its header contradicts itself about the bits of a pixel";
  if (samplesPerPixel === 1 && grey.has(photometric)) return null;
  if (samplesPerPixel === 3 && colour.has(photometric)) return bitsAllocated === 32 ? "its colours have 32 bits" : null;
  return `its pixels are ${photometric} in ${samplesPerPixel} samples, which is not read`;
}

const grey = new Set(["MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"]);
const colour = new Set(["RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT"]);

/** Smallest and largest sample that the bits allow; of a palette, its grey values. */
export function storedRange(format: PixelFormat): readonly [number, number] {
  if (format.photometric === "PALETTE COLOR") return [0, 255];
  const { bitsStored, signed } = format;
  return signed && format.samplesPerPixel === 1 ? [-(2 ** (bitsStored - 1)), 2 ** (bitsStored - 1) - 1] : [0, 2 ** bitsStored - 1];
}

export interface Filling {
  readonly slope: number;
  readonly intercept: number;
  /** Low samples are bright: turned round inside the stored range. */
  readonly inverted: boolean;
}

/**
 * Writes the frame into `out` from `at` on: slope * sample + intercept, one value per pixel.
 * @throws LimnetError bad_volume where the frame is too short
 */
export function fill(out: Samples, at: number, decoded: DecodedFrame, format: PixelFormat, dataset: Dataset, { slope, intercept, inverted }: Filling): void {
  const pixels = format.rows * format.columns;
  const [low, high] = storedRange(format);
  const [factor, offset] = inverted ? [-slope, slope * (low + high) + intercept] : [slope, intercept];
  const raw = format.samplesPerPixel === 3 ? luma(decoded, format) : words(decoded, pixels);
  if (raw.length < pixels) throw badVolume("The DICOM image holds fewer pixels than its header says. It was cut off on the way: send the whole file.");
  const table = format.photometric === "PALETTE COLOR" && format.samplesPerPixel === 1 ? greyPalette(dataset) : undefined;
  const { bitsStored, highBit, signed } = format;
  const shift = highBit + 1 - bitsStored;
  const whole = bitsStored === 8 * raw.BYTES_PER_ELEMENT || format.samplesPerPixel === 3;
  if (whole && !table && factor === 1 && offset === 0 && out.BYTES_PER_ELEMENT === raw.BYTES_PER_ELEMENT && !(out instanceof Float32Array)) {
    // Same bits in, same bits out: the array types say how they are read.
    (raw.BYTES_PER_ELEMENT === 1 ? new Uint8Array(out.buffer, out.byteOffset + at, pixels)
      : raw.BYTES_PER_ELEMENT === 2 ? new Uint16Array(out.buffer, out.byteOffset + 2 * at, pixels)
        : new Uint32Array(out.buffer, out.byteOffset + 4 * at, pixels)).set(raw.subarray(0, pixels));
    return;
  }
  if (whole && !table && format.samplesPerPixel === 1 && raw instanceof Uint16Array) {
    // Words that are samples already: most CT, whose offset is worked in here.
    const samples = signed ? new Int16Array(raw.buffer, raw.byteOffset, pixels) : raw;
    if (out instanceof Int16Array) rescaleWords(out, at, samples.length === pixels ? samples : samples.subarray(0, pixels), factor, offset);
    else for (let pixel = 0; pixel < pixels; pixel++) out[at + pixel] = factor * samples[pixel] + offset;
    return;
  }
  // The sign bit is moved to the top of 32 bits and back.
  const up = 32 - bitsStored;
  const isSigned = signed && format.samplesPerPixel === 1;
  for (let pixel = 0; pixel < pixels; pixel++) {
    const bits = ((raw[pixel] >>> shift) << up);
    const sample = table ? table.grey[clamp(((bits >>> up) - table.first), table.grey.length)] : isSigned ? bits >> up : bits >>> up;
    out[at + pixel] = factor * sample + offset;
  }
}

/** The samples of a frame where they lie there as whole words of 16 bits, one for each pixel; null where they do not. */
export function plainWords(decoded: DecodedFrame, format: PixelFormat): Words | null {
  const { bitsAllocated, bitsStored, highBit, samplesPerPixel, photometric } = format;
  if (decoded.bitsAllocated !== 16 || bitsAllocated !== 16 || bitsStored !== 16 || highBit !== 15 || samplesPerPixel !== 1 || photometric === "PALETTE COLOR") return null;
  return wordsOf(decoded.bytes, format);
}

/** The bytes of a grey frame as words of 16 bits, one for each pixel; null where they are too few. */
export function wordsOf(bytes: Uint8Array, { rows, columns, signed }: PixelFormat): Words | null {
  const pixels = rows * columns;
  const raw = words({ bytes, bitsAllocated: 16 }, pixels) as Uint16Array;
  if (raw.length < pixels) return null;
  return signed ? new Int16Array(raw.buffer, raw.byteOffset, pixels) : raw.subarray(0, pixels);
}

const clamp = (index: number, length: number) => (index < 0 ? 0 : index >= length ? length - 1 : index);

/** The bytes as unsigned words of their size; copied where they do not lie on a word's boundary. */
function words({ bytes, bitsAllocated }: Pick<DecodedFrame, "bytes" | "bitsAllocated">, count: number): Uint8Array | Uint16Array | Uint32Array {
  if (bitsAllocated === 8) return bytes;
  const size = bitsAllocated / 8;
  const aligned = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes.subarray(0, count * size));
  const length = Math.floor(aligned.length / size);
  return bitsAllocated === 16 ? new Uint16Array(aligned.buffer, aligned.byteOffset, length) : new Uint32Array(aligned.buffer, aligned.byteOffset, length);
}

/** Grey of a colour frame: Y where the colours are YBR, else Rec. 601 luma, which is what Y is made of. */
function luma(decoded: DecodedFrame, format: PixelFormat): Uint8Array | Uint16Array {
  const pixels = format.rows * format.columns;
  const wide = decoded.bitsAllocated === 16;
  const shared = !decoded.rgb && format.photometric.endsWith("_422") && decoded.bytes.length < 3 * pixels * (wide ? 2 : 1);
  const raw = words(decoded, (shared ? 2 : 3) * pixels);
  const out = wide ? new Uint16Array(pixels) : new Uint8Array(pixels);
  if (raw.length < (shared ? 2 : 3) * pixels) return out.subarray(0, 0);
  // Two pixels as Y Y B R (PS3.3, C.7.6.3.1.2).
  if (shared) {
    for (let pixel = 0; pixel < pixels; pixel++) out[pixel] = raw[4 * (pixel >> 1) + (pixel & 1)];
    return out;
  }
  const [step, plane] = decoded.planar ? [1, pixels] : [3, 1];
  const isY = !decoded.rgb && (format.photometric === "YBR_FULL" || format.photometric.startsWith("YBR_PARTIAL") || format.photometric === "YBR_FULL_422");
  for (let pixel = 0; pixel < pixels; pixel++) {
    const first = pixel * step;
    out[pixel] = isY ? raw[first] : Math.round(0.299 * raw[first] + 0.587 * raw[first + plane] + 0.114 * raw[first + 2 * plane]);
  }
  return out;
}

/** The palette as grey values of 8 bits (PS3.3, C.7.6.3.1.5 and .6). */
function greyPalette(dataset: Dataset): { readonly first: number; readonly grey: Uint8Array } {
  const names: [Keyword, Keyword][] = [
    ["RedPaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData"],
    ["GreenPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableData"],
    ["BluePaletteColorLookupTableDescriptor", "BluePaletteColorLookupTableData"],
  ];
  const [entries = 0, first = 0, bits = 16] = dataset.numbers(names[0][0]);
  const count = entries === 0 ? 65536 : entries;
  const planes = names.map(([, data]) => entriesOf(dataset.words(data), count));
  if (planes.some((plane) => !plane)) throw badVolume("The colours of the DICOM image are in a palette that is missing or too short. Export it again, in grey or RGB.");
  const [red, green, blue] = planes as Uint16Array[];
  // Tables of 16 bits carry 8-bit colours in their high byte.
  const scale = bits > 8 && planes[0]!.some((value) => value > 255) ? 1 / 257 : 1;
  return { first, grey: Uint8Array.from({ length: count }, (_, at) => Math.round(scale * (0.299 * red[at] + 0.587 * green[at] + 0.114 * blue[at]))) };
}

/** Entries of 8 bits are packed two to a word. */
function entriesOf(words: Uint16Array | undefined, count: number): Uint16Array | undefined {
  if (!words || words.length * 2 < count) return undefined;
  if (words.length >= count) return words;
  return Uint16Array.from({ length: count }, (_, at) => (words[at >> 1] >> (8 * (at & 1))) & 0xff);
}
