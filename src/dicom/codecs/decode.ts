/** One frame, from the bytes in the file to native samples, on the calling thread. */
import { promisify } from "node:util";
import { inflateRaw } from "node:zlib";
import { LimnetError } from "../../errors.js";
import { badVolume } from "../../imaging/volume.js";
import { type TransferSyntax, transferSyntax } from "../transfer-syntax.js";
import type { DecodedFrame, EncodedFrame, FrameDecoder } from "../types.js";
import { jpeg2000Header, jpegHeader } from "./code-stream.js";
import { decodeJpegLossless } from "./jpeg-lossless.js";
import { decodeRle } from "./rle.js";
import { WasmCodecs } from "./wasm.js";

/** What to do about pixels that have no decoder here; archives are asked for another syntax when this code comes up. */
export function undecodable(uid: string, name: string): LimnetError {
  return new LimnetError(
    "unsupported_transfer_syntax",
    `The pixels are in ${name} (${uid}), which is not decoded here. Ask the archive for Explicit VR Little Endian (transfer-syntax=1.2.840.10008.1.2.1), or convert the files with dcmdjpeg or gdcmconv --raw.`,
  );
}

/** The transfer syntax of a frame or a file. @throws LimnetError unsupported_transfer_syntax */
export function knownSyntax(uid: string): TransferSyntax {
  const syntax = transferSyntax(uid);
  if (!syntax) throw undecodable(uid.replace(/[^0-9.]/g, "").slice(0, 64) || "no UID", "a transfer syntax that this server does not know");
  return syntax;
}

/** Decodes on the calling thread: for worker threads, tests and small work. */
export class LocalDecoder implements FrameDecoder {
  readonly #wasm = new WasmCodecs();

  async decode(frame: EncodedFrame, signal?: AbortSignal): Promise<DecodedFrame> {
    signal?.throwIfAborted();
    const syntax = knownSyntax(frame.transferSyntaxUid);
    checkStream(frame, syntax);
    let decoded: DecodedFrame;
    try {
      decoded = await unpack(frame, syntax, this.#wasm);
    } catch (error) {
      if (error instanceof LimnetError) throw error;
      throw badVolume(`A compressed image (${syntax.name}) is damaged and cannot be decoded. Send it again.`, error);
    }
    const wanted = (frame.rows * frame.columns * frame.samplesPerPixel * decoded.bitsAllocated) / 8;
    if (decoded.bytes.length < wanted) throw badVolume(`A compressed image (${syntax.name}) holds fewer pixels than its header says. Send it again.`);
    return decoded;
  }

  async close(): Promise<void> {}
}

/** The stream must describe the image that the DICOM header describes: else a decoder would allocate what a stranger says. */
function checkStream(frame: EncodedFrame, { packing, name }: TransferSyntax): void {
  if (packing !== "jpeg" && packing !== "jpeg-lossless" && packing !== "jpeg-ls" && packing !== "jpeg-2000" && packing !== "htj2k") return;
  const header = packing === "jpeg-2000" || packing === "htj2k" ? jpeg2000Header(frame.bytes) : jpegHeader(frame.bytes);
  if (!header) throw badVolume(`A compressed image is no ${name} stream. Export it again.`);
  const { rows, columns, components, precision } = header;
  if (rows !== frame.rows || columns !== frame.columns || components !== frame.samplesPerPixel) {
    throw badVolume(`A compressed image holds ${columns} x ${rows} pixels of ${components} samples where its DICOM header says ${frame.columns} x ${frame.rows} of ${frame.samplesPerPixel}. Export it again.`);
  }
  if (packing === "jpeg" && precision > 8) throw undecodable(frame.transferSyntaxUid, `${name} of ${precision} bits`);
  if (precision > 16) throw undecodable(frame.transferSyntaxUid, `${name} of ${precision} bits`);
}

async function unpack(frame: EncodedFrame, { packing }: TransferSyntax, wasm: WasmCodecs): Promise<DecodedFrame> {
  const { bytes, rows, columns, samplesPerPixel, bitsAllocated, planar } = frame;
  const native = { bitsAllocated, planar, rgb: false };
  switch (packing) {
    case "native":
    case "encapsulated":
      return { ...native, bytes };
    case "deflated-frame": {
      const maxOutputLength = (rows * columns * samplesPerPixel * bitsAllocated) / 8 + 1;
      return { ...native, bytes: await promisify(inflateRaw)(bytes, { maxOutputLength }) };
    }
    case "rle":
      return { ...native, bytes: decodeRle(bytes, rows * columns, samplesPerPixel, bitsAllocated / 8), planar: true };
    case "jpeg-lossless":
      return { ...native, ...decodeJpegLossless(bytes), planar: false };
    default: {
      const result = await wasm.decode(packing, bytes);
      // libjpeg-turbo turns colours into RGB.
      return { bytes: result.bytes, bitsAllocated: result.bitsPerSample > 8 ? 16 : 8, planar: result.planar, rgb: packing === "jpeg" && samplesPerPixel === 3 };
    }
  }
}
