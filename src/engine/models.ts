/**
 * The models folder: manifest.json and the graphs that it names. Nothing else is ever loaded: every graph lies inside the
 * folder and has the digest of the manifest.
 */
import { createHash } from "node:crypto";
import { readFile, realpath } from "node:fs/promises";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { GraphName, NetworkSettings } from "../apps/limnet/networks.js";
import { LimnetError } from "../errors.js";
import { fileDigest } from "../imaging/digest.js";

const whole = z.number().int().positive();
const positive = z.number().positive();
/** A probability that becomes the border of a mask. */
const level = z.number().gt(0).lt(1);

export const networkSettings: z.ZodType<NetworkSettings> = z.object({
  denoise: z.object({
    minObject: positive,
    noise: z.array(positive).min(1).readonly().refine((noise) => noise.every((from, n) => n === 0 || from > noise[n - 1]), "must be ascending"),
    clicks: whole,
  }).optional(),
  click: z.object({
    size: whole,
    channels: z.union([z.literal(1), z.literal(3)]).optional(),
    previous: z.enum(["probability", "binary"]).optional(),
    diskRadius: positive,
    geodesic: z.array(z.object({ weight: z.number().nonnegative(), scale: positive })).readonly(),
    flood: z.object({ scale: positive }).optional(),
    local: whole.optional(),
    zoom: z.object({
      expansion: z.number().min(1),
      minSide: whole,
      keepOverlap: z.number().min(0).max(1),
      size: whole.multipleOf(16).optional(),
      first: z.enum(["whole", "fresh", "guess"]),
    }),
  }),
  propagation: z.object({
    layout: z.enum(["lite", "xmem"]).optional(),
    hiddenDim: z.number().int().nonnegative().optional(),
    sizes: z.array(whole.multipleOf(16)).min(1).readonly()
      .refine((sizes) => sizes.every((size, n) => n === 0 || size > sizes[n - 1]), "must be ascending"),
    stride: whole,
    keyDim: whole,
    valueDim: whole,
    memoryEvery: whole,
    topK: whole,
    presenceThreshold: z.number().min(0).max(1),
    region: z.object({ expansion: z.number().min(1), minSide: whole }),
    stopAfter: whole,
    transfer: z.object({ reach: whole.max(32), contrast: positive, nearness: positive }).optional(),
    shapes: z.object({ share: z.number().min(0).max(1), softness: z.number().positive(), leastArea: z.number().min(0).max(1) }).optional(),
    walker: z.object({
      contrast: z.number().positive(),
      across: z.number().positive(),
      trust: z.number().positive(),
      deep: z.object({ pixels: positive, most: z.number().min(1) }).optional(),
      iterations: whole,
      levels: z.object({ between: level, corrected: level, beyond: level }).optional(),
    }).optional(),
  }),
  quality: z.object({ size: whole, expansion: z.number().min(1), minSide: whole, threshold: z.number().min(0.5).max(1).default(0.5) }),
});

const stored = { file: z.string().min(1).max(200), sha256: z.string().regex(/^[0-9a-f]{64}$/) };

/** `int8`: the same graph with 8-bit convolutions, and the points of Dice that it loses on val (limnet_training quantize). */
const graph = z.object({ ...stored, int8: z.object({ ...stored, loss: z.number() }).optional() });

/** Points of Dice (per cent) that an int8 graph may lose and still be taken. */
export const int8Limit = 0.3;

export type Precision = "fp32" | "int8";

export const manifestSchema = z.looseObject({
  version: z.literal(1),
  default: z.string(),
  models: z.record(z.string(), z.looseObject({
    description: z.string().optional(),
    licence: z.string().optional(),
    settings: networkSettings,
    graphs: z.object({ click: graph, key: graph, value: graph, value_image: graph.optional(), read: graph, decode: graph, quality: graph }),
  })),
});

export interface Model {
  readonly name: string;
  readonly settings: NetworkSettings;
  /** sha256 over the sorted digests of its graphs, those of int8 that may be taken among them, and its settings: whatever changes a mask changes it. */
  readonly digest: string;
  /** Graphs that there are: layout "xmem" has one more. */
  readonly graphs: readonly GraphName[];
  /** Graphs with an int8 twin that loses little enough. */
  readonly int8: readonly GraphName[];
  /** Names inside the folder: the manifest, then the graphs. */
  readonly files: readonly string[];
  /** Bytes of a graph, their digest checked. Throws bad_model. */
  load(name: GraphName, precision?: Precision): Promise<Uint8Array>;
  /** The same check, without taking the graph into memory. Throws bad_model. */
  check(name: GraphName): Promise<void>;
}

/** The folder of the models: LIMNET_MODELS, else models/ of the package. */
export function modelsFolder(): string {
  return process.env.LIMNET_MODELS || fileURLToPath(new URL("../../models", import.meta.url));
}

export const sha256 = (bytes: Uint8Array | string): string => createHash("sha256").update(bytes).digest("hex");

/** The settings go in as JSON without spaces, keys in order (limnet_training export writes the same digest into the model's card). */
export const modelDigest = (files: readonly string[], settings: NetworkSettings): string =>
  sha256([...[...files].sort(), JSON.stringify(settings, (_, value: unknown) => (isPlain(value) ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value))].join("\n"));

const isPlain = (value: unknown): value is object => typeof value === "object" && value !== null && !Array.isArray(value);

const refuse = (what: string, cause?: unknown) =>
  new LimnetError("bad_model", `The models cannot be used: ${what}. Restore the models folder from the release or train and export again.`, { cause });

/** What `read` makes of a file of the folder. Names that leave it, by "..", an absolute path or a link, are refused. */
async function inside<T>(folder: string, file: string, read: (path: string) => Promise<T>): Promise<T> {
  const parts = file.split("/");
  if (file.includes("\\") || file.includes("\0") || parts.some((part) => part === "" || part === "." || part === "..")) {
    throw refuse(`"${file}" is no plain name of a file inside the models folder`);
  }
  let path: string;
  try {
    path = await realpath(join(folder, ...parts));
  } catch (cause) {
    throw refuse(`"${file}" is missing`, cause);
  }
  if (!path.startsWith((await realpath(folder)) + sep)) throw refuse(`"${file}" is a link that leads out of the models folder`);
  try {
    return await read(path);
  } catch (cause) {
    throw refuse(`"${file}" cannot be read`, cause);
  }
}

function compare({ file, sha256: expected }: { readonly file: string; readonly sha256: string }, digest: string): void {
  if (digest !== expected) throw refuse(`"${file}" has not the digest of manifest.json`);
}

/** Reads the manifest and the model `name` (default: the manifest's). Throws bad_model for anything that is not as it must be. */
export async function openModel(folder = modelsFolder(), name?: string): Promise<Model> {
  let json: unknown;
  const bytes = await inside(folder, "manifest.json", (path) => readFile(path));
  try {
    json = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch (cause) {
    throw refuse("manifest.json is no JSON", cause);
  }
  const parsed = manifestSchema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw refuse(`manifest.json: ${issue.path.join(".") || "it"}: ${issue.message}`, parsed.error);
  }
  const wanted = name ?? parsed.data.default;
  const found = Object.hasOwn(parsed.data.models, wanted) ? parsed.data.models[wanted] : undefined;
  if (found === undefined) throw new LimnetError("bad_model", `There is no model "${wanted}" in the models folder; it has ${Object.keys(parsed.data.models).join(", ")} (limnet models list). Name one of these with --conf model NAME.`);
  const { graphs } = found;
  if (found.settings.propagation.layout === "xmem" && graphs.value_image === undefined) throw refuse(`manifest.json: model "${wanted}" has no graph "value_image"`);
  const entryOf = (graphName: GraphName) => graphs[graphName]!;
  const names = (Object.keys(graphs) as GraphName[]).filter((graphName) => graphs[graphName] !== undefined);
  const int8 = names.filter((graphName) => (entryOf(graphName).int8?.loss ?? Infinity) < int8Limit);
  const files = [...names.map(entryOf), ...int8.map((graphName) => entryOf(graphName).int8!)];
  return {
    name: wanted,
    settings: found.settings,
    digest: modelDigest(files.map((entry) => entry.sha256), found.settings),
    graphs: names,
    int8,
    files: ["manifest.json", ...files.map(({ file }) => file)],
    async load(graphName, precision = "fp32") {
      const entry = precision === "int8" ? entryOf(graphName).int8! : entryOf(graphName);
      const content = await inside(folder, entry.file, (path) => readFile(path));
      compare(entry, sha256(content));
      return content;
    },
    async check(graphName) {
      compare(entryOf(graphName), await inside(folder, entryOf(graphName).file, fileDigest));
    },
  };
}
