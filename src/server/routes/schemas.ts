/** Small schemas that several routes share. */
import { z } from "zod";

/** JSON Schema has no "any case" for patterns. */
const anyCase = (words: readonly string[]) => `^(${words.map((word) => [...word].map((c) => (/[a-z]/.test(c) ? `[${c}${c.toUpperCase()}]` : c)).join("")).join("|")})$`;

const truthy = ["true", "1", "yes", "on", "t", "y"];
const falsy = ["false", "0", "no", "off", "f", "n"];

/** A boolean in a query, in any of the spellings that Python clients use. */
const boolean = z.string()
  .regex(new RegExp(anyCase([...truthy, ...falsy])), "Input should be a valid boolean, unable to interpret input")
  .transform((text) => truthy.includes(text.toLowerCase()));

/** Absent is false. */
export const booleanText = boolean.prefault("false").meta({ description: "true or false, also 1 0 yes no on off t f y n, in any case" });
/** Absent is true. */
export const trueUnlessTold = boolean.prefault("true").meta({ description: "true or false, also 1 0 yes no on off t f y n, in any case" });

/** A whole number of at least 0 in a query. */
export const wholeNumber = z.string().regex(/^\d{1,400}$/, "Input should be a whole number, 0 or more").transform((text) => Math.min(Number(text), Number.MAX_SAFE_INTEGER))
  .meta({ type: "integer", minimum: 0 });

/** A file part in a form. */
export const filePart = { type: "string", format: "binary" } as const;
/** JSON as text in a form. */
// Without contentMediaType, for which Swagger's page offers a file to choose and no room for text.
export const jsonPart = { type: "string", description: "A JSON object, as text", default: "{}" } as const;
/** Reply: a file. */
export const fileReply = { "application/octet-stream": { type: "string", format: "binary" } } as const;

/** Seconds since 1970, as `ts` in infos. */
export function now(): number {
  return Math.floor(Date.now() / 1000);
}
