/** Small schemas that several routes share. */
import { z } from "zod";

const truthy = ["true", "1", "yes", "on", "t", "y"];
const falsy = ["false", "0", "no", "off", "f", "n"];

/** A boolean in a query, in any of the spellings that Python clients use; absent is false. */
export const booleanText = z.string().default("false")
  .refine((text) => [...truthy, ...falsy].includes(text.toLowerCase()), "Input should be a valid boolean, unable to interpret input")
  .transform((text) => truthy.includes(text.toLowerCase()))
  .meta({ type: "boolean" });

/** A file part in a form. */
export const filePart = { type: "string", format: "binary" } as const;
/** JSON as text in a form. */
export const jsonPart = { type: "string", contentMediaType: "application/json", default: "{}" } as const;
/** Reply: a file. */
export const fileReply = { "application/octet-stream": { type: "string", format: "binary" } } as const;

/** Seconds since 1970, as `ts` in infos. */
export function now(): number {
  return Math.floor(Date.now() / 1000);
}
