/** /limnet/v1: the history of what is clicked. Our own routes, beside those of MONAI Label (docs/rounds.md). */
import { rm } from "node:fs/promises";
import { z } from "zod";
import type { InferResult, ObjectOptions, ObjectRef, Objects } from "../../apps/app.js";
import { parseSlices } from "../../apps/limnet/params.js";
import { unknownImage } from "../../datastore/unknown.js";
import { LimnetError } from "../../errors.js";
import { type Call, type Endpoint, endpoint } from "../endpoint.js";
import { sendResult } from "../results.js";
import { EventStream } from "../event-stream.js";
import { booleanText, filePart } from "./schemas.js";

const tag = "History";
const object = z.object({
  image: z.string().meta({ description: "Id of an image of the datastore" }),
  label: z.string().default("").meta({ description: "Name of the object, as it was clicked; default \"object\"" }),
  client_id: z.string().default("").meta({ description: "Who clicked, as `client_id` in the params of /infer" }),
});
/** How the mask comes, as in /infer. */
const mask = object.extend({
  output: z.enum(["image", "json", "all"]).default("all"),
  result_extension: z.string().default(""),
  result_dtype: z.string().default(""),
  result_compress: booleanText,
});
const steps = z.coerce.number().int().min(1).max(1_000_000).default(1).meta({ description: "How many" });
const slice = z.coerce.number().int().min(0);
const maskReply = { "multipart/form-data": { type: "object", properties: { params: { type: "object" }, image: filePart } }, "application/json": { type: "object" }, "application/octet-stream": filePart };

const click = z.object({ voxel: z.array(z.number()).length(3), positive: z.boolean() });
const roundsReply = z.object({
  image: z.string(), label: z.string(),
  head: z.number().meta({ description: "The newest round in force; 0 without clicks" }),
  rounds: z.array(z.object({
    round: z.number(), axis: z.number(), slice: z.number(), clicks: z.array(click), model: z.string().nullable(), seconds: z.number().nullable(),
    slices: z.array(z.object({ index: z.number(), winner: z.enum(["current", "previous", "user", "locked"]), probability: z.number(), disagreement: z.number().optional() })),
  })),
  locked: z.array(z.number()),
  choices: z.array(z.object({ slice: z.number(), round: z.number() })),
  undo: z.number().meta({ description: "Steps that can be undone" }),
  redo: z.number().meta({ description: "Steps that can be redone" }),
  submitted: z.string().nullable().meta({ description: "When a label with this work was submitted, where nothing changed since" }),
});
const cancelReply = z.object({
  stopped: z.array(z.object({ action: z.string(), state: z.enum(["waiting", "running"]), round: z.number().nullable(), seconds: z.number() })),
});

type ObjectQuery = z.infer<typeof object>;
type MaskQuery = z.infer<typeof mask>;

export function historyRoutes(): Endpoint[] {
  return [
    endpoint({
      method: "get", path: "/limnet/v1/rounds", tag, role: "user", summary: "The rounds in force, and what was decided on each slice", querySchema: object, fails: [404],
      reply: { "application/json": roundsReply },
      handle: async (call) => objects(call).rounds(await objectOf(call)),
    }),
    endpoint({
      method: "get", path: "/limnet/v1/journal", tag, role: "user", summary: "Everything that was ever done: who, when, with which weights", querySchema: object, fails: [404],
      reply: { "application/json": { type: "object" } },
      handle: async (call) => objects(call).journal(await objectOf(call)),
    }),
    change("undo", "Steps back; the mask then in force, as /infer answers it", mask.extend({ steps }),
      (all, ref, query, options) => all.move(ref, -query.steps, options)),
    change("redo", "Steps forth again, until a new click was made", mask.extend({ steps }),
      (all, ref, query, options) => all.move(ref, query.steps, options)),
    change("lock", "Locks slices: no later round changes them", mask.extend({ slices: slicesQuery("3-9,14 or all") }),
      (all, ref, query, options) => all.lock(ref, parseSlices(query.slices), true, options)),
    change("unlock", "Lets rounds change these slices again", mask.extend({ slices: slicesQuery("3-9,14 or all") }),
      (all, ref, query, options) => all.lock(ref, parseSlices(query.slices), false, options)),
    change("choose", "Takes a slice as it was after an earlier round", mask.extend({ slice, round: z.coerce.number().int().min(1) }),
      (all, ref, query, options) => all.choose(ref, query, options)),
    endpoint({
      method: "post", path: "/limnet/v1/cancel", tag, role: "user", summary: "Stops what is being computed for this object, and says what was stopped", querySchema: object, fails: [404],
      reply: { "application/json": cancelReply },
      handle: async (call) => objects(call).cancel(await objectOf(call)),
    }),
    endpoint({
      method: "get", path: "/limnet/v1/events", tag, role: "user", summary: "Server-sent events: state, queued, slice, round, error", querySchema: object, fails: [404],
      reply: { "text/event-stream": {} },
      async handle(call) {
        const all = objects(call);
        const ref = await objectOf(call);
        const stream = new EventStream(call.res);
        const end = await all.watch(ref, ({ event, data }) => stream.send(event, data));
        await stream.over(call.signal);
        end();
      },
    }),
  ];
}

const slicesQuery = (form: string) => z.string().min(1).meta({ description: `Slices across the axis of the object: ${form}` });

/** A route that changes the history and answers the mask in force. */
function change<Q extends typeof mask>(
  name: string, summary: string, querySchema: Q,
  act: (all: Objects, ref: ObjectRef, query: z.infer<Q>, options: ObjectOptions) => Promise<InferResult>,
): Endpoint {
  return endpoint({
    method: "post", path: `/limnet/v1/${name}`, tag, role: "user", summary, querySchema, reply: maskReply, fails: [404, 409, 507],
    async handle(call) {
      const query = call.query as z.infer<Q> & MaskQuery;
      const { result_extension, result_dtype, result_compress, output } = query;
      const params = { result_extension, result_dtype, result_compress, result_write_to_file: output !== "json" };
      const all = objects(call as Call<unknown, ObjectQuery>);
      const ref = await objectOf(call as Call<unknown, ObjectQuery>);
      const result = await act(all, ref, query, { signal: call.signal, tempDir: call.scratch.path, params });
      try {
        return await sendResult(call.res, output, result);
      } finally {
        if (result.file) await rm(result.file.path, { force: true });
      }
    },
  });
}

function objects({ context: { app } }: Call<unknown, ObjectQuery>): Objects {
  if (app.objects) return app.objects;
  throw new LimnetError("not_implemented", "This app keeps no history of clicks.");
}

async function objectOf({ query, user, context: { datastore } }: Call<unknown, ObjectQuery>): Promise<ObjectRef> {
  const image = await datastore.image(query.image);
  if (!image) throw unknownImage(query.image);
  const source = { id: image.id, path: image.path, ext: image.ext, digest: await datastore.imageDigest(image.id) };
  return { image: source, label: query.label, user: user.id || query.client_id.slice(0, 200) };
}
