/** What can be done to a models folder: list what it holds, add a converted network to it. */
import { copyFile, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { GraphName, NetworkSettings } from "../apps/limnet/networks.js";
import { LimnetError } from "../errors.js";
import { manifestSchema, openModel, sha256 } from "./models.js";

const refuse = (sentence: string, cause?: unknown) => new LimnetError("bad_model", sentence, { cause });

const whole = z.number().int().positive();
const graphs = z.record(z.string().regex(/^[a-z_]+$/), z.object({ file: z.string().regex(/^[A-Za-z0-9_.-]+\.onnx$/), sha256: z.string().regex(/^[0-9a-f]{64}$/) }));
const common = { version: z.literal(1), name: z.string(), parameters: whole, size: whole.nullable(), graphs, source: z.object({ file: z.string(), sha256: z.string() }) };

/** `model.json` as `limnet_training convert` writes it. */
const sidecar = z.discriminatedUnion("layout", [
  z.object({
    ...common, layout: z.literal("ritm"),
    settings: z.object({
      network: z.string(), mapOrder: z.array(z.string()), previousMask: z.enum(["probability", "binary"]).nullable(),
      clicks: z.object({ encoding: z.enum(["disk", "distance"]), diskRadius: z.number().positive().optional() }),
      zoom: z.object({ expansion: z.number().min(1), minCrop: whole, keepOverlap: z.number() }),
    }),
  }),
  z.object({
    ...common, layout: z.literal("xmem"),
    settings: z.object({
      network: z.string(), keyDim: whole, valueDim: whole, hiddenDim: z.number().int().nonnegative(), stride: whole,
      memory: z.object({ memoryEvery: whole, topK: whole }),
    }),
  }),
  z.object({
    ...common, layout: z.literal("resnet"),
    settings: z.object({ network: z.string(), size: whole, expansion: z.number().min(1), minSide: whole, threshold: z.number().min(0.5).max(1) }),
  }),
]);

type Sidecar = z.infer<typeof sidecar>;

const partGraphs: Record<Sidecar["layout"], readonly GraphName[]> = { ritm: ["click"], xmem: ["key", "value_image", "value", "decode", "read"], resnet: ["quality"] };

/** Views of the click network where the converted graph takes any size (the reference zooms to 400; multiples of 32 are quickest). */
const clickSize = 384;
/** Regions of the propagation, the same. */
const regionSizes = [256, 384];

function clickSettings({ size, settings }: Extract<Sidecar, { layout: "ritm" }>): NetworkSettings["click"] {
  const { previousMask, clicks, zoom } = settings;
  if (previousMask === null) throw refuse("This click network takes no previous mask, so it cannot correct one: convert an iter-mask checkpoint.");
  if (clicks.encoding !== "disk" || clicks.diskRadius === undefined) throw refuse("This click network encodes clicks as distances; only disks are drawn here. Convert a checkpoint with use_disks.");
  return {
    size: size ?? clickSize, channels: 3, previous: previousMask, diskRadius: clicks.diskRadius, geodesic: [],
    zoom: { expansion: zoom.expansion, minSide: zoom.minCrop, keepOverlap: zoom.keepOverlap, first: "whole" },
  };
}

function propagationSettings({ size, settings }: Extract<Sidecar, { layout: "xmem" }>): NetworkSettings["propagation"] {
  const { keyDim, valueDim, hiddenDim, stride, memory } = settings;
  return {
    layout: "xmem", hiddenDim, sizes: size === null ? regionSizes : [size], stride, keyDim, valueDim, memoryEvery: memory.memoryEvery, topK: memory.topK,
    presenceThreshold: 0.5, region: { expansion: 1.75, minSide: Math.min(size ?? regionSizes[0], 64) }, stopAfter: 3,
  };
}

function qualitySettings({ settings: { size, expansion, minSide, threshold } }: Extract<Sidecar, { layout: "resnet" }>): NetworkSettings["quality"] {
  return { size, expansion, minSide, threshold };
}

function withPart(settings: NetworkSettings, part: Sidecar): NetworkSettings {
  if (part.layout === "ritm") return { ...settings, click: clickSettings(part) };
  if (part.layout === "xmem") return { ...settings, propagation: propagationSettings(part) };
  return { ...settings, quality: qualitySettings(part) };
}

async function readJson(path: string, what: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    throw refuse(`${what} is missing or no JSON.`, cause);
  }
}

async function readSidecar(folder: string): Promise<{ part: Sidecar; contents: Map<GraphName, Buffer> }> {
  const parsed = sidecar.safeParse(await readJson(join(folder, "model.json"), `${join(folder, "model.json")} (made by \`python -m limnet_training convert\`)`));
  if (!parsed.success) throw refuse(`model.json cannot be used: ${parsed.error.issues[0].path.join(".") || "it"}: ${parsed.error.issues[0].message}.`, parsed.error);
  const contents = new Map<GraphName, Buffer>();
  for (const name of partGraphs[parsed.data.layout]) {
    const entry = parsed.data.graphs[name];
    if (entry === undefined) throw refuse(`model.json names no graph "${name}": convert the checkpoint again.`);
    const content = await readFile(join(folder, entry.file)).catch((cause: unknown) => {
      throw refuse(`"${entry.file}" is missing in ${folder}: convert the checkpoint again.`, cause);
    });
    if (sha256(content) !== entry.sha256) throw refuse(`"${entry.file}" has not the digest of model.json: convert the checkpoint again.`);
    contents.set(name, content);
  }
  return { part: parsed.data, contents };
}

/** What `models/manifest.json` holds, as text of a file that is written again: fields that nobody here knows are kept. */
async function readManifest(models: string): Promise<z.infer<typeof manifestSchema>> {
  const parsed = manifestSchema.safeParse(await readJson(join(models, "manifest.json"), "manifest.json of the models folder"));
  if (!parsed.success) throw refuse(`manifest.json of the models folder cannot be used: ${parsed.error.issues[0].path.join(".")}: ${parsed.error.issues[0].message}.`, parsed.error);
  return parsed.data;
}

/**
 * Adds a converted network (`folder`, with its model.json) to the models folder under `name`. A model of that name gets this part
 * replaced; a new one takes the parts that the folder does not bring from the default model. Returns the digest of the model.
 * Throws bad_model for anything that is not as it must be; then nothing has changed.
 */
export async function addModel(folder: string, models: string, name: string): Promise<string> {
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(name)) throw refuse(`"${name}" is no name of a model: small letters, digits, dots, dashes and underscores.`);
  const manifest = await readManifest(models);
  if (name === manifest.default) throw refuse(`"${name}" is the model that comes with limnet. Choose another name.`);
  const { part, contents } = await readSidecar(folder);
  const base = (Object.hasOwn(manifest.models, name) && manifest.models[name]) || manifest.models[manifest.default];
  const settings = withPart(base.settings, part);
  const { value_image: _, ...others } = base.graphs;
  const graphsNow: typeof base.graphs = { ...(part.layout === "xmem" ? others : base.graphs) };
  await mkdir(join(models, name), { recursive: true });
  for (const [graph, content] of contents) {
    const file = `${name}/${graph}-${sha256(content).slice(0, 12)}.onnx`;
    await writeFile(join(models, file), content);
    graphsNow[graph] = { file, sha256: sha256(content) };
  }
  await copyFile(join(folder, "model.json"), join(models, name, `${part.layout}.json`));
  const told = `${part.settings.network} from ${part.source.file} (sha256 ${part.source.sha256.slice(0, 12)})`;
  const before = base === manifest.models[manifest.default] ? [] : [base.description ?? ""];
  const description = [...before.flatMap((text) => text.split("; ")).filter((text) => !text.startsWith(`${part.settings.network} from `)), told].join("; ");
  const next = { ...manifest, models: { ...manifest.models, [name]: { description, licence: "that of the checkpoints it was made of", settings, graphs: graphsNow } } };
  const temporary = join(models, `.manifest.${process.pid}.tmp`);
  await writeFile(temporary, `${JSON.stringify(next, null, 2)}\n`);
  try {
    await rename(temporary, join(models, "manifest.json"));
  } finally {
    await rm(temporary, { force: true });
  }
  return (await openModel(models, name)).digest;
}

export interface Listed {
  readonly name: string;
  readonly isDefault: boolean;
  readonly digest: string;
  readonly description: string;
  /** Empty when every graph is there with its digest. */
  readonly trouble: string;
  readonly megabytes: number;
}

/** Every model of the folder, each graph held against its digest. Throws bad_model where there is no manifest. */
export async function listModels(models: string): Promise<Listed[]> {
  const manifest = await readManifest(models);
  return Promise.all(Object.entries(manifest.models).map(async ([name, { description = "" }]) => {
    const about = { name, isDefault: name === manifest.default, description };
    try {
      const model = await openModel(models, name);
      const contents = await Promise.all([...model.graphs.map((graph) => model.load(graph)), ...model.int8.map((graph) => model.load(graph, "int8"))]);
      return { ...about, digest: model.digest, trouble: "", megabytes: contents.reduce((sum, { length }) => sum + length, 0) / 1e6 };
    } catch (error) {
      return { ...about, digest: "", trouble: (error as Error).message, megabytes: 0 };
    }
  }));
}
