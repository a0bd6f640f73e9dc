/** POST /activelearning/{strategy}: which image next. */
import { z } from "zod";
import { LimnetError } from "../../errors.js";
import { signature } from "../auth/roles.js";
import { readDictionary } from "../bodies.js";
import { type Endpoint, endpoint } from "../endpoint.js";
import { now } from "./schemas.js";

export function activeLearningRoutes(): Endpoint[] {
  return [endpoint({
    method: "post",
    path: "/activelearning/{strategy}",
    tag: "Active learning",
    role: "user",
    summary: "The next image to label; {} where nothing is left",
    pathSchema: z.object({ strategy: z.string() }),
    body: { "application/json": { type: "object", properties: { client_id: { type: "string" } }, additionalProperties: true } },
    async handle({ path, req, res, user, context: { app, auth, datastore } }) {
      const strategy = app.strategies.get(path.strategy);
      if (!strategy) {
        const known = [...app.strategies.keys()].join(", ");
        throw new LimnetError("unknown_strategy", `There is no strategy ${JSON.stringify(path.strategy.slice(0, 80))}. Strategies of this server: ${known}.`);
      }
      const options = await readDictionary(req, res);
      const next = await strategy.next(datastore, options);
      const image = next && (await datastore.image(next.id));
      if (!next || !image) return {};
      const client = typeof options.client_id === "string" ? options.client_id : signature(user).user ?? "";
      const before = typeof image.info.strategy === "object" ? image.info.strategy : {};
      await datastore.updateImageInfo(image.id, { strategy: { ...before, [path.strategy]: { ts: now(), client_id: client } } });
      if (auth.enabled) auth.grants.give(req, user, image.id);
      // `name` carries the extension by which Slicer chooses its reader; `path` lets a client on this machine open the file itself.
      return { name: image.id + image.ext, ...next, path: image.path, ...image.info };
    },
  })];
}
