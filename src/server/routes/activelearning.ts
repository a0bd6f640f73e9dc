/** POST /activelearning/{strategy}: which image next. */
import { createHash } from "node:crypto";
import type { Request } from "express";
import { z } from "zod";
import { LimnetError } from "../../errors.js";
import { signature, type User } from "../auth/roles.js";
import { readDictionary } from "../bodies.js";
import { type Endpoint, endpoint } from "../endpoint.js";
import { json, nextSample } from "./replies.js";

export function activeLearningRoutes(): Endpoint[] {
  return [endpoint({
    method: "post",
    path: "/activelearning/{strategy}",
    tag: "Active learning",
    role: "user",
    summary: "The next image to label; {} where nothing is left",
    pathSchema: z.object({ strategy: z.string() }),
    body: { "application/json": { type: ["object", "null"], properties: {
      client_id: { type: ["string", "null"] },
      label_tag: { type: "string", description: "What counts as labelled; default final" },
      labels: { type: "array", items: { type: "string" }, description: "Segments that a label has to name before its image counts as labelled" },
      seed: { type: ["string", "integer"], description: "Of strategy random: the order is a fixed shuffle" },
    }, additionalProperties: true } },
    reply: json(nextSample), fails: [404],
    links: {
      image: { operation: "get_datastore_image", parameters: { image: "$response.body#/id" } },
      submit: { operation: "put_datastore_label", parameters: { image: "$response.body#/id" } },
    },
    async handle({ path, req, res, user, context: { app, auth, config, datastore, leases } }) {
      const strategy = app.strategies.get(path.strategy);
      if (!strategy) {
        const known = [...app.strategies.keys()].join(", ");
        throw new LimnetError("unknown_strategy", `There is no strategy ${JSON.stringify(path.strategy.slice(0, 80))}. Strategies of this server: ${known}.`);
      }
      const options = await readDictionary(req, res, config);
      const served = await leases.serve(datastore, path.strategy, strategy, clientOf(options, user, req), options);
      if (!served) return {};
      const { image, next } = served;
      if (auth.enabled) auth.grants.give(req, user, image.id);
      // `name` carries the extension by which Slicer chooses its reader; `path` lets a client on this machine open the file itself,
      // where there is one already.
      return { name: image.id + image.ext, ...next, ...(image.path !== "" && { path: image.path }), ...image.info };
    },
  })];
}

/**
 * Who is served: `client_id`, else who is logged in, else the machine that asks (OHIF says nothing of itself), under a name that does
 * not tell which machine it is.
 */
function clientOf({ client_id: named }: Record<string, unknown>, user: User, req: Request): string {
  if (typeof named === "string" && named !== "") return named.slice(0, 200);
  return signature(user).user ?? `anonymous-${createHash("sha256").update(req.ip ?? "").digest("hex").slice(0, 8)}`;
}
