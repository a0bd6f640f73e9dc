/** What clients say of a label's voxel values (protocol 6 and 8.1): names, colours, codes. */
import { z } from "zod";
import type { Code, Coding } from "./codes.js";

/** One voxel value of a label, as far as the client named it. */
export interface NamedValue {
  readonly value: number;
  readonly name: string | null;
  readonly description?: string;
  readonly color?: readonly [number, number, number];
  readonly coding?: Partial<Coding>;
}

const codeItem = z.looseObject({ CodeValue: z.string().min(1), CodingSchemeDesignator: z.string().min(1), CodeMeaning: z.string().min(1) });
/** dcmqi writes an object where highdicom and DICOM JSON write a list of one. */
const codeSequence = z.union([codeItem, z.array(codeItem).min(1).transform(([first]) => first)]);

const entrySchema = z.looseObject({
  name: z.string().optional().catch(undefined),
  description: z.string().optional().catch(undefined),
  color: z.array(z.number()).min(3).optional().catch(undefined),
  SegmentedPropertyCategoryCodeSequence: codeSequence.optional().catch(undefined),
  SegmentedPropertyTypeCodeSequence: codeSequence.optional().catch(undefined),
  SegmentedPropertyTypeModifierCodeSequence: codeSequence.optional().catch(undefined),
  AnatomicRegionSequence: codeSequence.optional().catch(undefined),
  AnatomicRegionModifierSequence: codeSequence.optional().catch(undefined),
});
type Entry = z.output<typeof entrySchema>;

/** The voxel value that an entry is of: the first of three names for it that says something. */
function numberOf(entry: Record<string, unknown>): number | null {
  const found = [entry.idx, entry.labelID, entry.label].map(Number).find((value) => Number.isInteger(value) && value > 0);
  return found ?? null;
}

/**
 * Names of the voxel values (ascending) of a label. Entries of `labelInfo` are matched by their number; where no entry has one,
 * or the numbers are not those of the voxels (Slicer counts segments that it does not send), by their order. Free-form input:
 * what cannot be understood is passed over.
 */
export function nameValues(values: readonly number[], labelInfo: unknown): NamedValue[] {
  const entries = Array.isArray(labelInfo) ? labelInfo.flatMap((entry): { entry: Entry; number: number | null }[] => {
    const parsed = entrySchema.safeParse(entry);
    return parsed.success ? [{ entry: parsed.data, number: numberOf(parsed.data) }] : [];
  }) : [];
  const numbered = new Map(entries.flatMap(({ entry, number }) => (number === null ? [] : [[number, entry] as const])));
  const byNumber = numbered.size > 0 && values.every((value) => numbered.has(value));
  const byOrder = !byNumber && (numbered.size === 0 || entries.length === values.length);
  return values.map((value, at) => {
    const entry = byOrder ? entries[at]?.entry : numbered.get(value);
    return entry ? describe(value, entry) : { value, name: null };
  });
}

function describe(value: number, entry: Entry): NamedValue {
  const type = entry.SegmentedPropertyTypeCodeSequence;
  const inner = codeSequence.safeParse((type as Record<string, unknown> | undefined)?.SegmentedPropertyTypeModifierCodeSequence);
  const category = codeOf(entry.SegmentedPropertyCategoryCodeSequence);
  const color = entry.color?.slice(0, 3).map((part) => Math.min(255, Math.max(0, Math.round(part))));
  return {
    value,
    name: entry.name?.trim() || null,
    description: entry.description,
    color: color ? [color[0], color[1], color[2]] : undefined,
    coding: type ? {
      ...(category ? { category } : {}),
      type: codeOf(type),
      modifier: codeOf(entry.SegmentedPropertyTypeModifierCodeSequence) ?? (inner.success ? codeOf(inner.data) : undefined),
      region: codeOf(entry.AnatomicRegionSequence),
      regionModifier: codeOf(entry.AnatomicRegionModifierSequence),
    } : undefined,
  };
}

function codeOf(item: z.output<typeof codeItem> | undefined): Code | undefined {
  return item && { value: item.CodeValue, scheme: item.CodingSchemeDesignator, meaning: item.CodeMeaning };
}

/**
 * Codes that 3D Slicer keeps with a segment: "TerminologyEntry:context~category~type~modifier~context~region~modifier|", each
 * "scheme^value^meaning". Null where there are none, or only the general "Tissue" that Slicer gives every new segment.
 */
export function slicerCoding(tags: string): Coding | null {
  const entry = tags.split("|").map((tag) => /^\s*(?:Segmentation\.)?TerminologyEntry:(.*)$/.exec(tag)?.[1]).find((found) => found !== undefined);
  const [, category, type, modifier, , region, regionModifier] = (entry ?? "").split("~").map((text): Code | undefined => {
    const [scheme, value, meaning] = text.split("^");
    return scheme && value && meaning ? { scheme, value, meaning } : undefined;
  });
  if (!category || !type || type.value === "85756007") return null;
  return { category, type, modifier, region, regionModifier };
}

/** The inverse of slicerCoding: what 3D Slicer reads as the terminology of a segment. */
export function slicerTags({ category, type, modifier, region, regionModifier }: Coding): string {
  const text = (code?: Code) => (code ? [code.scheme, code.value, code.meaning].map((part) => part.replace(/[~^|:]/g, " ")).join("^") : "^^");
  const parts = [
    "Segmentation category and type - DICOM master list", text(category), text(type), text(modifier),
    "Anatomic codes - DICOM master list", text(region), text(regionModifier),
  ];
  return `Segmentation.Status:inprogress|TerminologyEntry:${parts.join("~")}|`;
}
