/** What people and programs read of an object: the rounds in force, and the whole history. */
import type { SliceDecision } from "../../engine/protocol.js";
import type { ObjectIdentity } from "./object-folder.js";
import { type Entry, type History, stepInForce } from "./rounds/history.js";
import { heldAfter, type Op, roundsOf } from "./rounds/program.js";

const four = (value: number) => Math.round(value * 1e4) / 1e4;

const sliceJson = ({ index, winner, probability, disagreement }: SliceDecision) =>
  ({ index, winner, probability: four(probability), ...(disagreement !== undefined && { disagreement }) });

/** `GET /limnet/v1/rounds`. Slice numbers count across `axis`. */
export function roundsJson(image: string, label: string, history: History): Record<string, unknown> {
  const step = stepInForce(history);
  const ops = step?.ops ?? [];
  const keys = (step?.keys ?? []).filter((_, n) => ops[n].op === "round");
  return {
    image, label,
    head: keys.length,
    rounds: roundsOf(ops).map(({ slice, clicks }, n) => {
      const record = history.records.get(keys[n]);
      return {
        round: n + 1, axis: step!.way.axis, slice, clicks,
        model: record ? `sha256:${record.model}` : null, seconds: record ? four(record.seconds) : null,
        slices: record?.slices.map(sliceJson) ?? [],
      };
    }),
    locked: heldAfter(ops),
    choices: ops.flatMap((op) => (op.op === "take" && keys.includes(op.from) ? op.slices.map((slice) => ({ slice, round: keys.indexOf(op.from) + 1 })) : [])),
    undo: history.head,
    redo: history.steps.length - history.head,
    submitted: history.submitted,
  };
}

/** `GET /limnet/v1/journal`: every line, the oldest first, in words that need no key. */
export function journalJson(identity: ObjectIdentity, history: History, entries: readonly Entry[]): Record<string, unknown> {
  const { digest, ...who } = identity;
  return {
    ...who, image_sha256: digest, steps: history.steps.length, head: history.head,
    entries: told(entries).map(({ n, time, who: user, action, ran, steps, head, note }) => ({
      n, time, who: user, action,
      ...(steps && { steps: steps.map(({ way, weights, keep, add }) => ({ model: way.model, axis: way.axis, settings: way.settings, weights: `sha256:${weights}`, keep, add: add.map(opJson) })) }),
      ...(head !== undefined && { head }),
      ran: ran.map(({ key, slice, slices, seconds, propagated, digest, mask = digest, model }) => ({
        state: key, slice, weights: `sha256:${model}`, seconds: four(seconds), propagated, mask_sha256: mask,
        slices: slices.map(sliceJson),
      })),
      ...(note !== undefined && { note }),
    })),
  };
}

/** Without the lines that tell of files alone, which are not counted either. */
function told(entries: readonly Entry[]): Entry[] {
  let left = 0;
  return entries.flatMap((entry) => {
    if (!entry.wrote) return [{ ...entry, n: entry.n - left }];
    left++;
    return [];
  });
}

function opJson(op: Op): Record<string, unknown> {
  if (op.op === "round") return { round: { slice: op.slice, clicks: op.clicks, ...(op.stroke && { stroke: true }) } };
  if (op.op === "outline") return { outline: { slices: op.slices, prompts: op.prompts, from: op.from } };
  if (op.op === "take") return { take: { slices: op.slices, from: op.from } };
  return { locked: op.slices };
}
