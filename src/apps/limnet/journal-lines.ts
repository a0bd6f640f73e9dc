/** The lines of a journal as text: JSON, checked when it is read. */
import { z } from "zod";
import type { SliceDecision } from "../../engine/protocol.js";
import { actions, emptyHistory, type Entry, type History, type StateRecord, toDelta } from "./rounds/history.js";

const index = z.number().int().nonnegative();
const key = z.string().regex(/^[0-9a-f]{32}$/);
const winner = z.enum(["current", "previous", "user", "locked", "same"]);

/** Decisions are triples in the file, or quadruples where the directions' disagreement is known: a scan may have a thousand slices. */
const decision = z.tuple([index, winner, z.number(), z.number().optional()]).transform(([at, won, probability, disagreement]): SliceDecision =>
  ({ index: at, winner: won, probability, ...(disagreement !== undefined && { disagreement }) }));
const record = z.object({
  key, slice: index.nullable(),
  slices: z.array(decision),
  seconds: z.number(), propagated: index, digest: z.string(), mask: z.string().optional(), model: z.string(),
});
const way = z.object({
  model: z.string(), axis: z.union([z.literal(0), z.literal(1), z.literal(2)]),
  settings: z.object({
    fusion: z.enum(["network", "none", "oracle"]), memory: z.enum(["permanent", "literal"]), propagate: z.boolean(),
    window: z.tuple([z.number(), z.number()]).nullable(),
  }),
  start: key.optional(),
});
const click = z.object({ voxel: z.tuple([index, index, index]), positive: z.boolean() });
const op = z.discriminatedUnion("op", [
  z.object({ op: z.literal("round"), slice: index, clicks: z.array(click), stroke: z.literal(true).optional() }),
  z.object({ op: z.literal("outline"), slices: z.array(index), from: key, prompts: z.array(index) }),
  z.object({ op: z.literal("take"), slices: z.array(index), from: key }),
  z.object({ op: z.literal("hold"), slices: z.array(index) }),
]);
const step = z.object({ way, weights: z.string(), keep: index, add: z.array(op), key });
const version = z.literal(2);

const entry = z.object({
  version, n: index, time: z.string(), who: z.string(), action: z.enum(actions), ran: z.array(record),
  wrote: z.array(z.object({ key, digest: z.string() })).optional(),
  steps: z.array(step).optional(), head: index.optional(), note: z.string().optional(),
});

/** First line after the lines before went to an archive: all that they had led to. */
const snapshot = z.object({
  version, n: index,
  snapshot: z.object({ steps: z.array(step), head: index, records: z.array(record), model: z.string().nullable(), submitted: z.string().nullable() }),
});

export type Snapshot = z.output<typeof snapshot>;
const line = z.union([entry, snapshot]);

/** Null where the text is no line of a journal. */
export function parseLine(text: string): Entry | Snapshot | null {
  try {
    return line.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

const packed = ({ slices, ...rest }: StateRecord) => ({
  ...rest,
  slices: slices.map(({ index: at, winner: won, probability, disagreement }) =>
    [at, won, Math.round(probability * 1e4) / 1e4, ...(disagreement === undefined ? [] : [disagreement])]),
});

/** With its line end. */
export function entryLine(done: Entry): string {
  return `${JSON.stringify({ ...done, ran: done.ran.map(packed) })}\n`;
}

/** What the history is now, in one line: its steps and what is known of their states. */
export function snapshotLine({ steps, head, records, model, n, submitted }: History): string {
  const used = new Set(steps.flatMap(({ keys }) => keys));
  const deltas = steps.map((one, at) => toDelta(one, steps[at - 1] ?? null));
  const states = [...records.values()].filter((one) => used.has(one.key)).map(packed);
  return `${JSON.stringify({ version: 2, n, snapshot: { steps: deltas, head, records: states, model, submitted } })}\n`;
}

/** The history that a snapshot stands for. Throws BrokenHistory. */
export function fromSnapshot({ n, snapshot: { steps, head, records, model, submitted } }: Snapshot, extend: (history: History, entry: Entry) => History): History {
  const all: Entry = { version: 2, n, time: "", who: "", action: "infer", ran: records, steps, head };
  return { ...extend(emptyHistory, all), model, submitted };
}

