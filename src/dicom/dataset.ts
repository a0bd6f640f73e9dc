/** Attributes by keyword, whatever they come from: a Part 10 file (here) or DICOM JSON metadata (json.ts). */
import { createRequire } from "node:module";
import type * as DicomParser from "dicom-parser";
import type { DataSet, Element } from "dicom-parser";
import { decodeText } from "./charset.js";
import { type Keyword, tags } from "./tags.js";

/** A webpack bundle, whose names an import does not see. */
export const dicomParser = createRequire(import.meta.url)("dicom-parser") as typeof DicomParser;

export interface Dataset {
  has(keyword: Keyword): boolean;
  /** The values as trimmed text; empty where the attribute is absent or without value. */
  texts(keyword: Keyword): string[];
  /** The values as numbers; what is no number is NaN. */
  numbers(keyword: Keyword): number[];
  /** The items of a sequence. */
  items(keyword: Keyword): Dataset[];
  /** The bytes of a value in the byte order of this machine's 16-bit words; undefined where there are none. */
  words(keyword: Keyword): Uint16Array | undefined;
}

export const text = (dataset: Dataset, keyword: Keyword): string => dataset.texts(keyword)[0] ?? "";
export const number = (dataset: Dataset, keyword: Keyword): number | undefined => finite(dataset.numbers(keyword)[0]);

/** All values, joined by backslashes as in the file. */
export const joined = (dataset: Dataset, keyword: Keyword): string => dataset.texts(keyword).join("\\");

const finite = (value: number | undefined) => (value !== undefined && Number.isFinite(value) ? value : undefined);

/** `count` finite numbers, or undefined. */
export function vector(dataset: Dataset, keyword: Keyword, count: number): number[] | undefined {
  const values = dataset.numbers(keyword);
  return values.length === count && values.every(Number.isFinite) ? values : undefined;
}

const binary: Record<string, { readonly bytes: number; readonly read: "uint16" | "uint32" | "double" }> = {
  US: { bytes: 2, read: "uint16" }, UL: { bytes: 4, read: "uint32" }, FD: { bytes: 8, read: "double" },
};
/** Value representations whose text follows the character set; in LT, ST and UT a backslash is a letter. */
const written = new Set(["LO", "SH", "PN"]);

/** A dataset of dicom-parser; items inherit the character set. */
export class Part10Dataset implements Dataset {
  readonly #data: DataSet;
  readonly #charsets: readonly string[];
  readonly #littleEndian: boolean;

  constructor(data: DataSet, littleEndian: boolean, inherited: readonly string[] = []) {
    this.#data = data;
    this.#littleEndian = littleEndian;
    this.#charsets = inherited;
    const own = this.texts("SpecificCharacterSet");
    if (own.length > 0) this.#charsets = own;
  }

  has(keyword: Keyword): boolean {
    return this.#element(keyword) !== undefined;
  }

  texts(keyword: Keyword): string[] {
    if (tags[keyword][1] in binary) return this.numbers(keyword).map(String);
    const bytes = this.#bytes(keyword);
    if (!bytes || bytes.length === 0) return [];
    const whole = decodeText(bytes, written.has(tags[keyword][1]) ? this.#charsets : []);
    // eslint-disable-next-line no-control-regex -- UIDs are padded with NUL
    return whole.split("\\").map((value) => value.replace(/[\s\u0000]+$/, "").trimStart());
  }

  numbers(keyword: Keyword): number[] {
    const kind = binary[tags[keyword][1]];
    if (!kind) return this.texts(keyword).map((value) => (value === "" ? NaN : Number(value)));
    const element = this.#element(keyword);
    const count = Math.floor((element?.length ?? 0) / kind.bytes);
    return Array.from({ length: count }, (_, at) => this.#data[kind.read](element!.tag, at) ?? NaN);
  }

  items(keyword: Keyword): Dataset[] {
    const items = this.#element(keyword)?.items ?? [];
    return items.flatMap(({ dataSet }) => (dataSet ? [new Part10Dataset(dataSet, this.#littleEndian, this.#charsets)] : []));
  }

  words(keyword: Keyword): Uint16Array | undefined {
    const bytes = this.#bytes(keyword);
    if (!bytes || bytes.length < 2) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return Uint16Array.from({ length: bytes.length >> 1 }, (_, at) => view.getUint16(2 * at, this.#littleEndian));
  }

  #element(keyword: Keyword): Element | undefined {
    return this.#data.elements[`x${tags[keyword][0].toLowerCase()}`];
  }

  #bytes(keyword: Keyword): Uint8Array | undefined {
    const element = this.#element(keyword);
    return element && this.#data.byteArray.subarray(element.dataOffset, element.dataOffset + element.length);
  }
}
