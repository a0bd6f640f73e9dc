/** GET /datastore/dataset: everything that is labelled, in one archive. Protocol 1.4. */
import { stat } from "node:fs/promises";
import { z } from "zod";
import type { Datastore } from "../../datastore/datastore.js";
import { finalTag } from "../../datastore/names.js";
import { LimnetError } from "../../errors.js";
import { type Endpoint, endpoint } from "../endpoint.js";
import { sendZip, type ZipEntry } from "../zip-out.js";
import { filePart, wholeNumber } from "./schemas.js";

export function datasetRoutes(): Endpoint[] {
  return [endpoint({
    method: "get", path: "/datastore/dataset", tag: "Datastore", role: "annotator",
    summary: "Archive of all images that have a final label: image/<file>, label/<file>, metadata.json",
    querySchema: z.object({ limit_cases: wholeNumber.optional().meta({ description: "At most so many images, by id; 0: all" }) }),
    reply: { "application/zip": filePart }, fails: [404],
    conformance: { note: "Stored without packing, streamed with its length; 404 with a sentence where nothing is labelled (MONAI Label: 500)." },
    async handle({ query, req, res, signal, context: { datastore } }) {
      const entries = await labelledFiles(datastore, query.limit_cases || Infinity);
      if (entries.length === 0) throw new LimnetError("not_found", "No image has a final label yet, so there is nothing to download. Submit a label first.");
      if (req.method === "HEAD") return void res.type("application/zip").end();
      entries.push({ name: "metadata.json", bytes: await datastore.documentText() });
      await sendZip(res, "dataset.zip", entries, signal);
    },
  })];
}

/** Ids passed the datastore's checks, so that no name in the archive leads out of the folder where it is unpacked. */
async function labelledFiles(datastore: Datastore, limit: number): Promise<ZipEntry[]> {
  const entries: ZipEntry[] = [];
  const there = (path: string) => stat(path).then((found) => found.isFile(), () => false);
  for (const [n, id] of (await datastore.select((id, { labels }) => (labels.has(finalTag) ? id : undefined))).entries()) {
    if (entries.length >= 2 * limit) break;
    // Thousands of answers from memory must not hold up other requests.
    if (n % 500 === 0) await new Promise(setImmediate);
    const label = await datastore.label(id, finalTag);
    const image = label && (await datastore.image(id));
    if (!image || !(await there(image.path)) || !(await there(label.path))) continue;
    entries.push({ name: `image/${id}${image.ext}`, path: image.path }, { name: `label/${id}${label.ext}`, path: label.path });
  }
  return entries;
}
