/** GET /datastore/: the whole store at a glance. */
import { z } from "zod";
import type { Datastore } from "../../datastore/datastore.js";
import { finalTag } from "../../datastore/names.js";
import { type Endpoint, endpoint } from "../endpoint.js";
import { document, json, pairs as trainingList, stats } from "./replies.js";

/** Files of all images that have a final label. */
async function trainingPairs(datastore: Datastore): Promise<{ image: string; label: string }[]> {
  const pairs = [];
  for (const [n, id] of (await datastore.select((id, { labels }) => (labels.has(finalTag) ? id : undefined))).entries()) {
    // Thousands of answers from memory must not hold up other requests.
    if (n % 500 === 0) await new Promise(setImmediate);
    const label = await datastore.label(id, finalTag);
    const image = label && (await datastore.image(id));
    if (image) pairs.push({ image: image.path, label: label.path });
  }
  return pairs;
}

export function datastoreRoutes(): Endpoint[] {
  return [
    endpoint({
      method: "get",
      path: "/datastore/",
      tag: "Datastore",
      role: "user",
      summary: "Counts, the whole index, or the pairs to train on",
      querySchema: z.object({ output: z.enum(["stats", "all", "train"]).default("stats") }),
      reply: json(z.union([stats, document, trainingList])),
      async handle({ query, res, context: { datastore } }) {
        if (query.output === "stats") return datastore.stats();
        if (query.output === "all") {
          res.status(200).type("application/json").send(await datastore.documentText());
          return undefined;
        }
        return trainingPairs(datastore);
      },
    }),
  ];
}
