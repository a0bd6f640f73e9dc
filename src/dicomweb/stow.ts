/** The answer to STOW-RS (PS3.18 table 10.5.3-1): a status of 200 alone says nothing about the instances. */
import { badAnswer } from "./errors.js";
import { type Attributes, isObject, itemsOf, numberOf, tags, textOf } from "./json.js";

export interface StoredInstance {
  readonly instance: string;
  /** Why the archive hesitated (PS3.18 table 10.5.3-2), as hexadecimal code; "" where it did not. */
  readonly warning: string;
}

export interface FailedInstance {
  readonly instance: string;
  /** Hexadecimal code, "0110" for instance. */
  readonly reason: string;
  readonly meaning: string;
}

export interface StoreAnswer {
  readonly stored: readonly StoredInstance[];
  readonly failed: readonly FailedInstance[];
}

/** PS3.18 table 10.5.3-3 and PS3.4 GG.4; families by their first digits. */
const meanings: Record<string, string> = {
  "0110": "processing failure",
  "0111": "the instance is there already",
  "0122": "the archive does not take this kind of object (SOP class)",
  "0124": "this server's user may not store there",
  "0117": "a UID is not valid",
  A700: "the archive is out of resources",
  A900: "the object does not fit its SOP class",
  C000: "the archive cannot understand the object",
  C122: "the archive does not take this transfer syntax",
};

/** @throws LimnetError archive_answer where it is no answer to STOW */
export function readStoreAnswer(answer: unknown): StoreAnswer {
  const attributes = unwrap(answer);
  if (!attributes) throw badAnswer("accepted the object but did not say what became of it");
  return {
    stored: itemsOf(attributes, tags.ReferencedSOPSequence).map((item) => ({ instance: textOf(item, tags.ReferencedSOPInstanceUID), warning: code(item, tags.WarningReason) })),
    failed: itemsOf(attributes, tags.FailedSOPSequence).map((item) => {
      const reason = code(item, tags.FailureReason);
      return { instance: textOf(item, tags.ReferencedSOPInstanceUID), reason, meaning: meaningOf(reason) };
    }),
  };
}

/** True where an answer names instances that were stored, or that failed. */
export function isStoreAnswer(answer: unknown): boolean {
  const attributes = unwrap(answer);
  return attributes !== null && (tags.ReferencedSOPSequence in attributes || tags.FailedSOPSequence in attributes);
}

function unwrap(answer: unknown): Attributes | null {
  const parsed = typeof answer === "string" ? parse(answer) : answer;
  const first = Array.isArray(parsed) ? parsed[0] : parsed;
  return isObject(first) ? first : null;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function code(item: Attributes, tag: string): string {
  const value = numberOf(item, tag);
  return value === null ? "" : value.toString(16).toUpperCase().padStart(4, "0");
}

function meaningOf(reason: string): string {
  const family = /^A7/.test(reason) ? "A700" : /^A9/.test(reason) ? "A900" : /^C(?!122)/.test(reason) ? "C000" : reason;
  return meanings[family] ?? "no reason given";
}
