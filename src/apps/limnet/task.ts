/** `limnet` and `limnet_2d` as models of the protocol: a request in, a mask and its JSON out. */
import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import type { FusionKind, LimnetSettings } from "../../engine/protocol.js";
import type { Axis, Geometry, Shape } from "../../imaging/geometry.js";
import { encodeMask } from "../../imaging/mask.js";
import { readHeader } from "../../imaging/read.js";
import type { InferOptions, InferRequest, InferResult, InferTask, Params } from "../app.js";
import { Journal, objectFolder } from "./journal.js";
import type { KeyedLock } from "./lock.js";
import { advance, type Workshop } from "./object.js";
import { type MaskRequest, parseAxis, parseMaskRequest, parseSlice } from "./params.js";
import { readMask, resultJson } from "./result.js";
import { type ClickLists, parseClicks } from "./rounds/clicks.js";

export interface TaskContext {
  readonly workshop: Workshop;
  /** Folder of all journals. */
  readonly stateDir: string;
  readonly lock: KeyedLock;
  /** Files of the networks, all models alike. */
  readonly modelFiles: readonly { readonly name: string; readonly path: string }[];
  readonly labels: readonly string[];
  readonly fusion: FusionKind;
  readonly memory: LimnetSettings["memory"];
}

type ResultFile = NonNullable<InferResult["file"]>;

interface Kind {
  readonly name: string;
  readonly dimension: 2 | 3;
  readonly description: string;
}

export const kinds: readonly Kind[] = [
  { name: "limnet", dimension: 3, description: "LIM-Net: click on any slice, the object follows through the volume; each round keeps the better mask of every slice" },
  { name: "limnet_2d", dimension: 2, description: "LIM-Net on the clicked slice only" },
];

export class LimnetTask implements InferTask {
  readonly type = "deepgrow";
  readonly labels: readonly string[];
  readonly dimension: 2 | 3;
  readonly description: string;
  readonly #name: string;
  readonly #context: TaskContext;

  constructor(kind: Kind, context: TaskContext) {
    this.#name = kind.name;
    this.dimension = kind.dimension;
    this.description = kind.description;
    this.labels = context.labels;
    this.#context = context;
  }

  /** Options that clients show; arrays are choices, the default first (protocol 3.2). */
  config(): Record<string, unknown> {
    return { device: ["cpu"], axis: ["auto", "axial", "coronal", "sagittal"] };
  }

  files(): TaskContext["modelFiles"] {
    return this.#context.modelFiles;
  }

  /** Requests that speak of the same object run one after the other, in the order in which they came. */
  async run(request: InferRequest, options: InferOptions): Promise<InferResult> {
    const wanted = parseMaskRequest(request.params, request.image.ext);
    const object = JSON.stringify([this.#name, request.image.digest, request.user, wanted.label]);
    const { foreground, background, slice, axis } = request.params;
    const wish = JSON.stringify([foreground, background, slice, axis]);
    return this.#context.lock.run(object, { signal: options.signal, wish }, (giveWay) => this.#answer(request, wanted, options, giveWay));
  }

  async #answer(
    { image, params, user }: InferRequest, wanted: MaskRequest, { signal, tempDir, urgency, requestId }: InferOptions, giveWay: AbortSignal,
  ): Promise<InferResult> {
    const { workshop, stateDir, fusion, memory } = this.#context;
    const start = performance.now();
    const { shape, geometry } = await readHeader(image.path);
    // Clients number the slices of a two-dimensional model along k.
    const axis = this.dimension === 2 && (params.axis || "auto") === "auto" ? 2 : parseAxis(params.axis, geometry, shape);
    const lists = this.#clicks(params, axis, shape);
    const settings: LimnetSettings = { fusion, memory, propagate: this.dimension === 3, window: wanted.window };
    const folder = objectFolder(stateDir, { image: image.digest, user, label: wanted.label, model: this.#name, axis, settings });
    const place = { giveWay, requestId, urgency: urgency ?? (this.dimension === 2 ? "glance" : "round") } as const;
    const state = await advance(workshop, new Journal(folder), { image, axis, settings, lists, user, place }, signal);
    const advanced = performance.now();
    const mask = await readMask(state.fusedPath, shape);
    const read = performance.now();
    const file = wanted.writeFile ? await writeResult(mask, { shape, geometry }, wanted, tempDir) : null;
    const end = performance.now();
    const json = resultJson(wanted.label, axis, state, {
      pre: (advanced - start) / 1000 - state.engineSeconds, infer: state.engineSeconds, post: (read - advanced) / 1000,
      write: (end - read) / 1000, total: (end - start) / 1000,
    });
    return { file, json };
  }

  /** Two-dimensional: only the clicks of one slice, the one asked for or that of the newest click (foreground first). */
  #clicks(params: Params, axis: Axis, shape: Shape): ClickLists {
    const lists = parseClicks(params.foreground, params.background, shape);
    if (this.dimension === 3) return lists;
    const newest = lists.positives.at(-1) ?? lists.negatives.at(-1);
    const slice = parseSlice(params.slice, shape[axis]) ?? newest?.[axis];
    return {
      positives: lists.positives.filter((voxel) => voxel[axis] === slice),
      negatives: lists.negatives.filter((voxel) => voxel[axis] === slice),
    };
  }
}

async function writeResult(
  mask: Uint8Array, grid: { shape: Shape; geometry: Geometry }, wanted: MaskRequest, tempDir: string,
): Promise<ResultFile> {
  const { label, extension, dtype, compress } = wanted;
  await mkdir(tempDir, { recursive: true });
  const file = path.join(tempDir, `${randomUUID()}${extension}`);
  await encodeMask(mask, grid.shape, grid.geometry, extension, file, { dtype, compress, segNrrd: [{ name: label, value: 1 }] });
  return { path: file, ext: extension };
}
