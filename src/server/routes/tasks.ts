/**
 * Background tasks. There are none yet: clients that ask whether one runs get the 404 that means "idle" to them, clients that start one
 * are told so plainly instead of being given a task that never does anything.
 */
import { z } from "zod";
import { LimnetError } from "../../errors.js";
import { type Endpoint, endpoint } from "../endpoint.js";
import { booleanText } from "./schemas.js";

const statusQuery = z.object({ all: booleanText, check_if_running: booleanText });
const named = (name: string) => z.object({ [name]: z.string() });

const families = [
  { kind: "Train", root: "/train/", start: ["/train/", "/train/{model}"], what: "Training on the server", change: "admin" },
  { kind: "Batch_infer", root: "/batch/infer", start: ["/batch/infer/{model}"], what: "Batch inference", change: "admin" },
  { kind: "Scoring", root: "/scoring/", start: ["/scoring/", "/scoring/{method}"], what: "Scoring", change: "annotator" },
] as const;

export function taskRoutes(): Endpoint[] {
  return families.flatMap(({ kind, root, start, what, change }) => [
    endpoint({
      method: "get", path: root, tag: "Tasks", role: "user", summary: `${kind}: the newest or the running task`, querySchema: statusQuery,
      handle({ query }) {
        throw new LimnetError("not_found", query.check_if_running ? `No ${kind} Tasks are currently Running` : `No ${kind} Tasks Found`);
      },
    }),
    endpoint({
      method: "delete", path: root, tag: "Tasks", role: change, summary: `${kind}: stops what runs; null where nothing does`,
      handle: () => null,
    }),
    ...start.map((path) => {
      const parameter = /\{(\w+)\}/.exec(path)?.[1];
      return endpoint({
        method: "post", path, tag: "Tasks", role: change, summary: `${kind}: not available yet`,
        ...(parameter && { pathSchema: named(parameter) }),
        handle() {
          throw new LimnetError("not_implemented", `${what} is not available in this version of limnet. Labels that you submit are kept for it.`);
        },
      });
    }),
  ]);
}
