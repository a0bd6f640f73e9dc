/** Scoring methods (protocol 1.6, 5.1): what a model proposed against what a person submitted, written into the image's info. */
import { finalTag, originalTag } from "../../datastore/names.js";
import { LimnetError } from "../../errors.js";
import type { Params, ScoringMethod } from "../app.js";
import type { Measure } from "./compare.js";
import { Comparer } from "./comparer.js";

/** Millimetres within which two surfaces count as the same. */
const defaultTolerance = 2;

export function scoringMethods(): Map<string, ScoringMethod> {
  return new Map([
    ["dice", method("dice", "Dice between the original and the final label, mean over the segments")],
    ["surface_dice", method("surface_dice", "Share of both surfaces that lies within 2 mm of the other, original against final, mean over the segments")],
  ]);
}

function method(measure: Measure, description: string): ScoringMethod {
  return {
    description,
    async run(request, datastore, { signal, say, report }) {
      const truth = tagOf(request, "y", finalTag);
      const mask = tagOf(request, "y_pred", originalTag);
      const tolerance = toleranceOf(request);
      const ids = await datastore.select((id, { labels }) => (labels.has(truth) && labels.has(mask) ? id : undefined));
      const scores: Record<string, number> = {};
      const failed: Record<string, string> = {};
      const comparer = new Comparer();
      const tell = () => report({ done: Object.keys(scores).length, total: ids.length, failed: { ...failed } });
      tell();
      try {
        for (const id of ids) {
          signal.throwIfAborted();
          const [a, b] = await Promise.all([datastore.label(id, truth), datastore.label(id, mask)]);
          if (!a || !b) continue;
          try {
            const score = await comparer.compare({ a, b, measure, tolerance }, signal);
            scores[id] = Math.round(score * 1e4) / 1e4;
            await datastore.noteImageInfo(id, { [measure]: scores[id] });
          } catch (error) {
            if (signal.aborted || !(error instanceof LimnetError)) throw error;
            failed[id] = error.message;
            say(`An image was left out: ${error.message}`);
          }
          tell();
        }
      } finally {
        comparer.close();
      }
      say(`${measure}: ${Object.keys(scores).length} of ${ids.length} images with labels "${mask}" and "${truth}"`);
      return scores;
    },
  };
}

function tagOf(request: Params, key: string, otherwise: string): string {
  const value = request[key];
  if (value === undefined || value === null || value === "") return otherwise;
  if (typeof value === "string") return value;
  throw new LimnetError("bad_params", `"${key}" has to be the tag of a label, such as "${otherwise}".`);
}

function toleranceOf({ tolerance = defaultTolerance }: Params): number {
  if (typeof tolerance === "number" && tolerance >= 0 && tolerance < 1e4) return tolerance;
  throw new LimnetError("bad_params", '"tolerance" has to be a number of millimetres, 0 or more.');
}
