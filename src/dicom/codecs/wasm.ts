/** The WebAssembly decoders. Their results are views into memory that the next call overwrites: copied at once. */
import { createRequire } from "node:module";
import type { Packing } from "../transfer-syntax.js";

interface FrameInfo {
  readonly width: number;
  readonly height: number;
  readonly bitsPerSample: number;
  readonly componentCount: number;
}

interface WasmDecoder {
  getEncodedBuffer(length: number): Uint8Array;
  getDecodedBuffer(): Uint8Array;
  decode(): unknown;
  getFrameInfo(): FrameInfo;
  getInterleaveMode?(): number;
  delete(): void;
}

type WasmModule = Readonly<Record<string, new () => WasmDecoder>>;
type Factory = (settings: { print(): void; printErr(): void }) => Promise<WasmModule>;

const codecs: Partial<Record<Packing, { readonly file: string; readonly decoder: string }>> = {
  jpeg: { file: "@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs", decoder: "JPEGDecoder" },
  "jpeg-ls": { file: "@cornerstonejs/codec-charls/decodewasmjs", decoder: "JpegLSDecoder" },
  "jpeg-2000": { file: "@cornerstonejs/codec-openjpeg/decodewasmjs", decoder: "J2KDecoder" },
  htj2k: { file: "@cornerstonejs/codec-openjph/wasmjs", decoder: "HTJ2KDecoder" },
};

export interface WasmResult extends FrameInfo {
  readonly bytes: Uint8Array;
  /** Colour plane after plane instead of pixel after pixel. */
  readonly planar: boolean;
}

/** Holds the modules that were needed so far; one that failed is made anew, as its memory may be in any state. */
export class WasmCodecs {
  readonly #modules = new Map<Packing, Promise<WasmModule>>();

  /** Throws whatever the decoder throws on a damaged stream. */
  async decode(packing: Packing, bytes: Uint8Array): Promise<WasmResult> {
    const codec = codecs[packing];
    if (!codec) throw new TypeError(`no WebAssembly decoder for ${packing}`);
    try {
      return run(new (await this.#module(packing, codec.file))[codec.decoder](), bytes);
    } catch (error) {
      this.#modules.delete(packing);
      throw error;
    }
  }

  #module(packing: Packing, file: string): Promise<WasmModule> {
    const known = this.#modules.get(packing);
    if (known) return known;
    const factory = createRequire(import.meta.url)(file) as Factory;
    // OpenJPEG prints a line for every frame.
    const made = factory({ print() {}, printErr() {} });
    this.#modules.set(packing, made);
    return made;
  }
}

function run(decoder: WasmDecoder, bytes: Uint8Array): WasmResult {
  decoder.getEncodedBuffer(bytes.length).set(bytes);
  decoder.decode();
  const { width, height, bitsPerSample, componentCount } = decoder.getFrameInfo();
  const result = {
    width, height, bitsPerSample, componentCount,
    bytes: new Uint8Array(decoder.getDecodedBuffer()),
    planar: componentCount > 1 && decoder.getInterleaveMode?.() === 0,
  };
  decoder.delete();
  return result;
}
