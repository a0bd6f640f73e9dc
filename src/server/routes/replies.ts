/** What the routes answer with, as schemas for /openapi.json. */
import { z } from "zod";

const free = z.record(z.string(), z.unknown());

/** What a client may know about an image or a label: free-form, `ts` (seconds since 1970) and `name` in it. */
export const info = free.meta({ id: "Info", description: "Free-form; `ts` (seconds since 1970) and `name` (file name) are always there" });

export const stats = z.object({
  total: z.int().min(0), completed: z.int().min(0).meta({ description: "Images with a label under `final`" }),
  label_tags: z.record(z.string(), z.int().min(1)),
}).meta({ id: "DatastoreStats" });

const file = z.looseObject({ ext: z.string(), info });
export const document = z.looseObject({
  name: z.string(), description: z.string(), images_dir: z.string(), labels_dir: z.string(),
  objects: z.record(z.string(), z.looseObject({ image: file, labels: z.record(z.string(), file) })),
}).meta({ id: "DatastoreDocument", description: "As datastore_v2.json has it" });

export const pairs = z.array(z.object({ image: z.string(), label: z.string() })).meta({ id: "TrainingPairs", description: "Paths on the server" });

const model = z.object({
  type: z.string(), labels: z.union([z.array(z.string()), z.record(z.string(), z.int())]),
  dimension: z.union([z.literal(2), z.literal(3)]), description: z.string(),
  config: z.looseObject({ device: z.array(z.string()) }),
}).meta({ id: "Model" });
const described = z.record(z.string(), z.looseObject({ description: z.string() }));

export const appInfo = z.object({
  name: z.string(), description: z.string(), version: z.string(), labels: z.array(z.string()), models: z.record(z.string(), model),
  trainers: free, strategies: described, scoring: free, train_stats: free, datastore: stats,
}).meta({ id: "AppInfo" });

export const imageId = z.object({ image: z.string() }).meta({ id: "ImageId" });
export const labelId = z.looseObject({ image: z.string(), label: z.string() }).meta({ id: "LabelId" });
export const nothing = z.object({}).meta({ id: "Nothing" });
export const nullReply = z.null();

export const session = z.object({
  name: z.string(), path: z.string(), image: z.string(), meta: free,
  create_ts: z.int(), last_access_ts: z.int(), expiry: z.int().meta({ description: "Seconds after the last use" }),
}).meta({ id: "Session" });
export const newSession = z.object({ session_id: z.string(), session_info: session }).meta({ id: "NewSession" });

export const nextSample = z.looseObject({ id: z.string().optional(), name: z.string().optional(), path: z.string().optional() })
  .meta({ id: "NextSample", description: "Empty where nothing is left to label" });

export const inferResult = z.looseObject({
  label_names: z.union([z.array(z.string()), z.record(z.string(), z.int())]).optional(),
  latencies: free.optional(), centroids: free.optional(),
}).meta({ id: "InferResult" });

/** As one reply of JSON. */
export const json = (schema: z.ZodType) => ({ "application/json": schema });
