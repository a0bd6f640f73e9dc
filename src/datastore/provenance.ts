/** How a label came about, kept beside it. MONAI Label passes over the file: it is none of its label types. */
import { join } from "node:path";
import { replaceFile } from "../durable.js";

/** Path of the provenance of a label, in the folder of its tag. */
export function provenancePath(tagFolder: string, id: string): string {
  return join(tagFolder, `${id}.provenance.json`);
}

/** Writes it whole or not at all. */
export async function writeProvenance(tagFolder: string, id: string, document: unknown): Promise<void> {
  await replaceFile(provenancePath(tagFolder, id), `${JSON.stringify(document, null, 1)}\n`, { mode: 0o644 });
}
