/** `limnet` and `limnet_2d` as models of the protocol: a request in, a mask and its JSON out. */
import type { FusionKind, LimnetSettings } from "../../engine/protocol.js";
import type { Axis, Shape } from "../../imaging/geometry.js";
import type { HeaderCache } from "../../imaging/header-cache.js";
import type { VolumeHeader } from "../../imaging/volume.js";
import type { AppLimits, InferOptions, InferRequest, InferResult, InferTask, Params } from "../app.js";
import { Answer } from "./answer.js";
import type { AnswerCache } from "./answer-cache.js";
import type { Desk } from "./desk.js";
import { objectName, type Journals } from "./journals.js";
import type { DiskKeeper } from "./keeper.js";
import type { KeyedLock } from "./lock.js";
import { ObjectWork } from "./object.js";
import type { Watch, Workshop } from "./object-request.js";
import { type MaskRequest, parseAxis, parseMaskRequest, parseSlice } from "./params.js";
import { clickedSlice, intoPart } from "./part.js";
import { type ClickLists, parseClicks } from "./rounds/clicks.js";
import { keepStart } from "./start.js";
import { LimnetStored } from "./stored.js";
import { tellState } from "./tell.js";

export interface TaskContext {
  readonly workshop: Workshop;
  readonly journals: Journals;
  /** Keys: objectName. */
  readonly lock: KeyedLock;
  readonly desk: Desk;
  readonly keeper: DiskKeeper;
  readonly answers: AnswerCache;
  readonly headers: HeaderCache;
  /** Files of the networks, all models alike. */
  readonly modelFiles: readonly { readonly name: string; readonly path: string }[];
  readonly labels: readonly string[];
  /** Names of devices for clients, the default first. */
  readonly devices: () => readonly string[];
  /** Throws LimnetError out_of_memory for a volume that cannot be worked on here. */
  readonly checkMemory?: (header: VolumeHeader) => void;
  readonly fusion: FusionKind;
  readonly memory: LimnetSettings["memory"];
  readonly limits: AppLimits;
}

interface Kind {
  readonly name: string;
  readonly dimension: 2 | 3;
  readonly description: string;
}

export const kinds: readonly Kind[] = [
  { name: "limnet", dimension: 3, description: "LIM-Net: click on any slice, the object follows through the volume; each round keeps the better mask of every slice" },
  { name: "limnet_2d", dimension: 2, description: "LIM-Net on the clicked slice only" },
];

/** Resolves to what `work` gives, and lets it go on with what nobody waits for. Rejects as `work` does before that. */
function early<T>(work: (give: (value: T) => void) => Promise<unknown>): Promise<T> {
  return new Promise((resolve, reject) => {
    work(resolve).catch(reject);
  });
}

export class LimnetTask implements InferTask {
  readonly type = "deepgrow";
  readonly labels: readonly string[];
  readonly dimension: 2 | 3;
  readonly description: string;
  readonly stored: LimnetStored;
  readonly #name: string;
  readonly #context: TaskContext;

  constructor(kind: Kind, context: TaskContext) {
    this.#name = kind.name;
    this.dimension = kind.dimension;
    this.description = kind.description;
    this.labels = context.labels;
    this.#context = context;
    this.stored = new LimnetStored(kind.name, context);
  }

  /** Options that clients show; arrays are choices, the default first (protocol 3.2). */
  config(): Record<string, unknown> {
    return { device: this.#context.devices(), axis: ["auto", "axial", "coronal", "sagittal"] };
  }

  files(): TaskContext["modelFiles"] {
    return this.#context.modelFiles;
  }

  /** Requests that speak of the same object run one after the other, in the order in which they came. */
  async run(request: InferRequest, options: InferOptions): Promise<InferResult> {
    const wanted = parseMaskRequest(request.params, request.image.ext, this.#context.limits.maxLabelLength);
    const name = objectName({ digest: request.image.digest, user: request.user, label: wanted.label });
    const { desk, lock, keeper } = this.#context;
    const { foreground, background, slice, axis } = request.params;
    const wish = { kind: this.#name, wish: JSON.stringify([foreground, background, slice, axis, request.start !== undefined]) };
    return early((answer) => desk.sit(name, "infer", options.signal, (signal, watch) =>
      lock.run(name, { signal, ...wish }, (giveWay) => this.#answer(request, wanted, { ...options, signal, watch, giveWay }, answer)))
      .finally(() => void keeper.touched(name)));
  }

  async #answer(
    { image, params, user, start: given }: InferRequest, wanted: MaskRequest, options: InferOptions & { watch: Watch; giveWay: AbortSignal },
    give: (result: InferResult) => void,
  ): Promise<void> {
    const { workshop, journals, desk, fusion, memory } = this.#context;
    const start = performance.now();
    const part = this.dimension === 2 ? image.slice : undefined;
    const header = await this.#context.headers.read(image.path, image.digest);
    this.#context.checkMemory?.(header);
    const grid = part ?? header;
    const { shape, geometry } = grid;
    // Clients number the slices of a two-dimensional model along k.
    const axis = this.dimension === 2 && (params.axis || "auto") === "auto" ? 2 : parseAxis(params.axis, geometry, shape);
    const clicks = this.#clicks(params, axis, shape);
    const lists = part ? intoPart(clicks, part) : clicks;
    const settings: LimnetSettings = { fusion, memory, propagate: this.dimension === 3, window: wanted.window };
    const identity = { image: image.id, digest: image.digest, user, label: wanted.label };
    const { signal, watch, giveWay, requestId, tempDir } = options;
    const place = { giveWay, requestId, urgency: options.urgency ?? (this.dimension === 2 ? "glance" : "round") } as const;
    const journal = journals.of(identity);
    const begin = given && (await keepStart(journal, given, shape));
    const answer = new Answer({ wanted, grid, part, tempDir, start, answers: this.#context.answers });
    const work = await ObjectWork.open(workshop, journal, { image, user, signal, watch, place, device: wanted.device, early: true, masked: (fusedPath) => answer.begin(fusedPath, true), ready: (fusedPath) => answer.begin(fusedPath) });
    const clicked = await work.click({ model: this.#name, axis, settings, ...(begin && { start: begin }) }, lists);
    // Without a click, the mask is the one that there was.
    const state = clicked.step === null && begin ? { ...clicked, fusedPath: journal.startPath(begin) } : clicked;
    tellState(desk, identity, "infer", state);
    try {
      give(await answer.of(state, axis));
    } finally {
      // The object is nobody else's before.
      await work.rest;
    }
  }

  onlySlice(params: Params): number | null {
    return this.dimension === 2 ? clickedSlice(params) : null;
  }

  /** Two-dimensional: only the clicks of one slice, the one asked for or that of the newest click (foreground first). */
  #clicks(params: Params, axis: Axis, shape: Shape): ClickLists {
    const lists = parseClicks(params.foreground, params.background, shape, this.#context.limits.maxClicks);
    if (this.dimension === 3) return lists;
    const newest = lists.positives.at(-1) ?? lists.negatives.at(-1);
    const slice = parseSlice(params.slice, shape[axis]) ?? newest?.[axis];
    return {
      positives: lists.positives.filter((voxel) => voxel[axis] === slice),
      negatives: lists.negatives.filter((voxel) => voxel[axis] === slice),
    };
  }
}
