/**
 * Ids, tags and extensions. An id is opaque, and it becomes a file name only after it passed here:
 * no request can name a path (users-and-conventions D.2, "path built from identifiers").
 */
import { LimnetError } from "../errors.js";

/** What counts as an image, double extensions first. */
export const imageExtensions = [".nii.gz", ".nii", ".nrrd", ".mha"] as const;
/** What counts as a label: 3D Slicer may send overlapping segments as .seg.nrrd. */
export const labelExtensions = [".seg.nrrd", ...imageExtensions] as const;

/** "Extension" of an image that is a folder of DICOM files: its id is the name of the folder. */
export const seriesFolderExtension = "";

/** Tag of a submitted label; everything else is work in progress. */
export const finalTag = "final";
/** Tag of a label that a model wrote. */
export const originalTag = "original";

const longestName = 200;
/** File systems allow 255 bytes; the extension and a temporary suffix have to fit too. */
const longestNameBytes = 230;

/** Why a name cannot be used, or null where it can. */
export function nameProblem(name: string): string | null {
  if (name === "") return "is empty";
  if (name.length > longestName || Buffer.byteLength(name) > longestNameBytes) return `is longer than ${longestName} characters`;
  if (name.startsWith(".")) return "begins with a dot";
  if (/[/\\]/.test(name)) return "contains a slash or backslash";
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(name)) return "contains a control character";
  if (name !== name.trim()) return "begins or ends with a space";
  return null;
}

/** Throws bad_identifier unless `id` can name an image in a folder. */
export function checkId(id: string): void {
  const problem = nameProblem(id);
  if (problem) throw new LimnetError("bad_identifier", `The image id ${problem}. Use an id as GET /datastore/?output=all lists it.`);
}

/** Throws bad_identifier unless `tag` can name a folder of labels. */
export function checkTag(tag: string): void {
  const problem = nameProblem(tag);
  if (problem) throw new LimnetError("bad_identifier", `The label tag ${problem}. Use a plain word such as "final", "original" or "version_1".`);
}

/** True for "" and ".nrrd"-like text that cannot lead out of a folder: an index file may say anything. */
export function isPlainExtension(ext: string): boolean {
  return /^(\.[A-Za-z0-9_+-]{1,12}){0,3}$/.test(ext);
}

/** Splits a file name by the first known extension (case kept in `ext`); null where none fits. */
export function splitName(file: string, extensions: readonly string[]): { id: string; ext: string } | null {
  const lower = file.toLowerCase();
  const known = extensions.find((candidate) => lower.endsWith(candidate));
  if (!known || file.length === known.length) return null;
  return { id: file.slice(0, -known.length), ext: file.slice(-known.length) };
}

/** Whether `ext` is one of the known extensions, in any case. */
export function isOneOf(ext: string, known: readonly string[]): boolean {
  return known.includes(ext.toLowerCase());
}

/** Throws bad_volume for a file type that this server does not keep. */
export function checkExtension(ext: string, known: readonly string[]): void {
  if (!isOneOf(ext, known)) throw new LimnetError("bad_volume", `Files of type "${ext.slice(0, 20)}" are not supported. Send one of ${known.join(", ")}.`);
}
