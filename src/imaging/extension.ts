import { extname } from "node:path";

/** Extensions of two parts; all others are what follows the last dot. */
const double = [".nii.gz", ".seg.nrrd"];

/**
 * Splits a file name (no folders) into base and extension, the extension in lower case with its dot:
 * "a.b.NII.gz" is {base: "a.b", ext: ".nii.gz"}; a name without one has ext "".
 */
export function knownExtension(name: string): { readonly base: string; readonly ext: string } {
  const lower = name.toLowerCase();
  const ext = double.find((known) => lower.endsWith(known) && lower.length > known.length) ?? extname(lower);
  return { base: name.slice(0, name.length - ext.length), ext };
}
