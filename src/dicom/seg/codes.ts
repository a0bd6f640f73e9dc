/**
 * What a label means, in codes (PS3.3 C.8.20.2, Segment Sequence): category, type, laterality, anatomic region. The codes
 * come from the app's own list; a name that is not in it is written under its own name, never as another organ.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { text } from "./values.js";

/** A coded entry (PS3.3 8.8): value, scheme, meaning. */
export interface Code {
  readonly value: string;
  readonly scheme: string;
  readonly meaning: string;
}

/** The codes of one segment. */
export interface Coding {
  readonly category: Code;
  readonly type: Code;
  /** Laterality of the type. */
  readonly modifier?: Code;
  /** Where a finding lies; organs say so by their type. */
  readonly region?: Code;
  readonly regionModifier?: Code;
  /** Colour that viewers are asked to use, sRGB 0 to 255. */
  readonly color?: readonly [number, number, number];
}

/** Designator of codes that are the label's own name. Designators that begin with 99 are private (PS3.16 8). */
export const localScheme = "99LIMNET";

const code = z.string().regex(/^(?:[A-Z0-9_]{1,16}:)?[A-Za-z0-9.-]{1,16} \S.{0,62}$/, "a code is \"VALUE Meaning\" (SNOMED CT) or \"SCHEME:VALUE Meaning\"")
  .transform((line): Code => {
    const [, scheme = "SCT", value, meaning] = /^(?:([A-Z0-9_]+):)?(\S+) (.*)$/.exec(line) ?? [];
    return { value, scheme, meaning };
  });

const channel = z.number().int().min(0).max(255);

/** `codes` of an app.json: by name, what is written into DICOM. */
export const codeTableSchema = z.record(z.string().min(1).max(256), z.strictObject({
  /** What the segment is, e.g. "10200004 Liver". */
  type: code,
  /** Default: anatomical structure. */
  category: code.optional(),
  /** There are two of it: "left NAME" and "right NAME" are the same type with a laterality. */
  paired: z.boolean().optional(),
  region: code.optional(),
  /** Other names of the same thing. */
  aka: z.array(z.string().min(1)).optional(),
  color: z.tuple([channel, channel, channel]).optional(),
}));

export type CodeTable = z.output<typeof codeTableSchema>;

/** As Slicer, dcmqi and TotalSegmentator write it; CID 7150 names 91723000, which Slicer's terminology does not find. */
const anatomicalStructure: Code = { value: "123037004", scheme: "SCT", meaning: "Anatomical Structure" };
/** The most general category (CID 7150): it says nothing about a name that nobody knows. */
const tissue: Code = { value: "85756007", scheme: "SCT", meaning: "Tissue" };
const sides: Record<string, Code> = {
  left: { value: "7771000", scheme: "SCT", meaning: "Left" },
  right: { value: "24028007", scheme: "SCT", meaning: "Right" },
};

/** "Kidney_Left", "left kidney" and "Kidney, left" are the same words in one order: the side first. */
function words(name: string): { side: string | null; rest: string } {
  const parts = name.normalize("NFKC").toLowerCase().split(/[\s_,;.()-]+/).filter(Boolean);
  const side = ["left", "right"].find((word) => parts[0] === word || parts.at(-1) === word);
  if (side === undefined || parts.length < 2) return { side: null, rest: parts.join(" ") };
  const rest = parts[0] === side ? parts.slice(1) : parts.slice(0, -1);
  return { side, rest: rest.join(" ") };
}

/**
 * The codes of a label's name. Only a whole name that the table knows is coded: "liver tumour" is not the liver. Left and
 * right are taken from names of paired things only. Anything else keeps its name, as a code of our own scheme.
 */
export function codingOf(name: string, table: CodeTable): Coding {
  const { side, rest } = words(name);
  const whole = side === null ? rest : `${side} ${rest}`;
  const find = (wanted: string) =>
    Object.entries(table).find(([key, { aka = [] }]) => [key, ...aka].some((known) => {
      const found = words(known);
      return (found.side === null ? found.rest : `${found.side} ${found.rest}`) === wanted;
    }))?.[1];
  const exact = find(whole);
  const half = exact ? undefined : side === null ? undefined : find(rest);
  const entry = exact ?? (half?.paired ? half : undefined);
  if (!entry) return { category: tissue, type: localCode(name) };
  const { type, category = anatomicalStructure, region, color } = entry;
  return { category, type, region, color, modifier: exact ? undefined : sides[side as string] };
}

/** A code for a name that no public scheme is asked for: its meaning is the name itself. */
export function localCode(name: string): Code {
  const meaning = text(name) || "unnamed";
  const short = /^[A-Za-z0-9 ._-]{1,16}$/.test(meaning) ? meaning : createHash("sha256").update(meaning).digest("hex").slice(0, 16);
  return { value: short, scheme: localScheme, meaning };
}

/** A code sequence item as DICOM JSON names its parts; values that are too long for Code Value go into Long Code Value. */
export function codeItem({ value, scheme, meaning }: Code): Record<string, string> {
  const at = value.length <= 16 ? "CodeValue" : "LongCodeValue";
  return { [at]: value, CodingSchemeDesignator: scheme, CodeMeaning: meaning };
}
