/** GET /datastore/: the whole store at a glance. */
import { z } from "zod";
import { finalTag } from "../../datastore/names.js";
import { type Endpoint, endpoint } from "../endpoint.js";

export function datastoreRoutes(): Endpoint[] {
  return [
    endpoint({
      method: "get",
      path: "/datastore/",
      tag: "Datastore",
      role: "user",
      summary: "Counts, the whole index, or the pairs to train on",
      querySchema: z.object({ output: z.enum(["stats", "all", "train"]).default("stats") }),
      async handle({ query, context: { datastore } }) {
        if (query.output === "stats") return datastore.stats();
        if (query.output === "all") return datastore.document();
        const pairs = [];
        for (const id of await datastore.listImages()) {
          const label = await datastore.label(id, finalTag);
          const image = label && (await datastore.image(id));
          if (image) pairs.push({ image: image.path, label: label.path });
        }
        return pairs;
      },
    }),
  ];
}
