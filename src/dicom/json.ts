/** Attributes of DICOM JSON (PS3.18, F), as `GET …/metadata` answers it: a plan needs no pixels. */
import type { Dataset } from "./dataset.js";
import { type Keyword, tags } from "./tags.js";

/** One instance of a metadata answer: elements by eight-digit tag. */
export type DicomJson = Readonly<Record<string, { readonly vr?: string; readonly Value?: readonly unknown[] } | undefined>>;

export class JsonDataset implements Dataset {
  readonly #json: DicomJson;

  constructor(json: DicomJson) {
    this.#json = json;
  }

  has(keyword: Keyword): boolean {
    return this.#json[tags[keyword][0]] !== undefined;
  }

  texts(keyword: Keyword): string[] {
    return this.#values(keyword).map(toText);
  }

  numbers(keyword: Keyword): number[] {
    // Some servers write decimal strings as strings.
    return this.#values(keyword).map((value) => (typeof value === "number" || (typeof value === "string" && value.trim() !== "") ? Number(value) : NaN));
  }

  items(keyword: Keyword): Dataset[] {
    return this.#values(keyword).flatMap((value) => (typeof value === "object" && value !== null ? [new JsonDataset(value as DicomJson)] : []));
  }

  /** Bulk data does not travel with metadata. */
  words(): undefined {
    return undefined;
  }

  #values(keyword: Keyword): readonly unknown[] {
    const values = this.#json[tags[keyword][0]]?.Value;
    return Array.isArray(values) ? values : [];
  }
}

function toText(value: unknown): string {
  if (typeof value === "string") return value.trim();
  if (typeof value === "number") return String(value);
  if (typeof value !== "object" || value === null) return "";
  const name = (value as { Alphabetic?: unknown; Ideographic?: unknown; Phonetic?: unknown });
  const groups = [name.Alphabetic, name.Ideographic, name.Phonetic].map((group) => (typeof group === "string" ? group : ""));
  return groups.join("=").replace(/=+$/, "");
}
