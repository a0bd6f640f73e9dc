/** What the slices of a volume that is written while they come have in common: grey words of 16 bits, kept as they stand or with a whole number added. */
import type { Shift } from "./digest-thread.js";
import { unfit } from "./group.js";
import type { Instance, PixelFormat, Rescale } from "./instance.js";
import { storedRange, wordsOf } from "./samples.js";
import { isPlaced } from "./stack.js";
import { fitsWords, mayFold, planStorage } from "./storage.js";
import { transferSyntax } from "./transfer-syntax.js";

export interface StreamKind {
  readonly type: typeof Int16Array | typeof Uint16Array;
  /** Voxels of a slice. */
  readonly area: number;
  /** What is added to every sample once it is in its place, and how many bits may be in use there; null where nothing is looked at. */
  readonly shift: Shift | null;
  /** Of the volume: real = slope * kept + intercept. */
  readonly slope: number;
  readonly intercept: number;
  /** True for an instance whose slice may be one of the volume, as far as its header says. */
  holds(instance: Instance): boolean;
  /** Puts the samples into their place as they stand in the file; false where they are too few. */
  put(out: Int16Array, instance: Instance): boolean;
}

/** Voxels of a slice of which there may be several in memory at once without a thought. */
const mostVoxels = 2 ** 22;

/** Null where the volume has to wait for all of its slices: what is done with one then depends on the others, or takes more than words. */
export function streamKind(first: Instance, { suv }: { suv?: boolean }): StreamKind | null {
  if (!isPlainSlice(first) || (suv && first.modality === "PT")) return null;
  const format = first.format!;
  const area = format.rows * format.columns;
  if (area > mostVoxels) return null;
  const { rescale } = first.frames[0];
  const { dtype, slope, intercept, inverted } = planStorage([{ instance: first, frame: first.frames[0] }], {});
  if (inverted || (dtype !== "int16" && dtype !== "uint16")) return null;
  const type = dtype === "int16" ? Int16Array : Uint16Array;
  const bits = format.bitsStored;
  const folded = mayFold({ slope, intercept }, type);
  // Whether a volume is folded is told by all of its values, where its bits do not.
  if (folded && (slope !== 1 || !(fitsWords(rescale, storedRange(format)) || (bits === 16 && (format.signed || intercept < 0))))) return null;
  const offset = folded ? intercept : 0;
  return {
    area,
    shift: offset !== 0 || bits < 16 ? { offset, bits, signed: format.signed } : null,
    ...(folded ? { type: Int16Array, slope: 1, intercept: 0 } : { type, slope, intercept }),
    holds: (other) => isPlainSlice(other) && same(other.format!, format) && same(other.frames[0].rescale, rescale),
    put(out, { pixels }) {
      const words = wordsOf(pixels!.frame(1).bytes, format);
      // Same bits in, same bits out.
      if (words) new Uint16Array(out.buffer, out.byteOffset, out.length).set(words);
      return words !== null;
    },
  };
}

function isPlainSlice(instance: Instance): boolean {
  const { format, frames, pixels, multiFrame } = instance;
  if (!format || !pixels || multiFrame || frames.length !== 1 || !isPlaced(frames[0]) || unfit(instance) !== null) return false;
  return format.bitsAllocated === 16 && format.samplesPerPixel === 1 && format.photometric.startsWith("MONOCHROME") && format.highBit === format.bitsStored - 1
    && transferSyntax(pixels.transferSyntaxUid)?.packing === "native";
}

const same = (a: PixelFormat | Rescale, b: PixelFormat | Rescale) => JSON.stringify(a) === JSON.stringify(b);
