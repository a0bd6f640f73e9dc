/** How a label came about, kept beside it. MONAI Label passes over the file: it is none of its label types. */
import { randomBytes } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { moveInto } from "./move.js";

/** Path of the provenance of a label, in the folder of its tag. */
export function provenancePath(tagFolder: string, id: string): string {
  return join(tagFolder, `${id}.provenance.json`);
}

/** Writes it whole or not at all. */
export async function writeProvenance(tagFolder: string, id: string, document: unknown): Promise<void> {
  const temporary = join(tagFolder, `.${randomBytes(6).toString("hex")}.tmp`);
  try {
    await writeFile(temporary, `${JSON.stringify(document, null, 1)}\n`);
    await moveInto(temporary, provenancePath(tagFolder, id));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
