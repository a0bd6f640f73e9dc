/**
 * `limnet_outlines`: what a person draws with a brush, as a model of type "scribbles" (protocol 3.3, 4). Slices that were outlined or mended by
 * hand become prompts and are carried through the volume; strokes become clicks. It is the same object as under `limnet`: clicks go on from it.
 */
import type { LimnetSettings } from "../../engine/protocol.js";
import { LimnetError } from "../../errors.js";
import type { Axis, Shape } from "../../imaging/geometry.js";
import type { VolumeHeader } from "../../imaging/volume.js";
import type { InferOptions, InferRequest, InferResult, InferTask, Params } from "../app.js";
import { Answer } from "./answer.js";
import type { Journal } from "./journal.js";
import { objectName } from "./journals.js";
import { ObjectWork } from "./object.js";
import type { ObjectState } from "./object-request.js";
import { parseAxis, parseMaskRequest } from "./params.js";
import { readMask } from "./read-mask.js";
import { maxClicks } from "./rounds/clicks.js";
import { axisOfOutlines, mendsIn, outlinesIn, strokeClicks } from "./rounds/drawn.js";
import { stepInForce } from "./rounds/history.js";
import { type Drawing, nextOfDrawing } from "./rounds/next.js";
import type { Way } from "./rounds/program.js";
import { keepStart } from "./start.js";
import type { TaskContext } from "./task.js";
import { tellState } from "./tell.js";

export const outlineTaskName = "limnet_outlines";

export class OutlineTask implements InferTask {
  readonly type = "scribbles";
  readonly labels: readonly string[];
  readonly dimension = 3;
  readonly description = "Outline slices with a brush, or mend those of a mask: they stay, and the object follows from them through the volume";
  readonly #context: TaskContext;

  constructor(context: TaskContext) {
    this.labels = context.labels;
    this.#context = context;
  }

  config(): Record<string, unknown> {
    return { device: this.#context.devices(), axis: ["auto", "axial", "coronal", "sagittal"] };
  }

  files(): TaskContext["modelFiles"] {
    return this.#context.modelFiles;
  }

  /** The selected label, and the strokes where the client names them (`label_info`). */
  drawn(params: Params): ReturnType<NonNullable<InferTask["drawn"]>> {
    const name = nameOf(params);
    const values = valuesOf(params.label_info);
    const at = (key: string) => values.get(key.trim().toLowerCase());
    const strokes = { foreground: at("foreground_scribbles"), background: at("background_scribbles") };
    const found = typeof name === "string" ? at(name) : undefined;
    const object = values.size === 0 ? { label: name } : { segment: found };
    return {
      ...((values.size === 0 || found !== undefined) && { object, covered: { ...object, covered: true } }),
      ...(strokes.foreground !== undefined && { foreground: { segment: strokes.foreground } }),
      ...(strokes.background !== undefined && { background: { segment: strokes.background } }),
    };
  }

  async run(request: InferRequest, options: InferOptions): Promise<InferResult> {
    const { image, params, user } = request;
    const { desk, lock, keeper, journals, workshop, limits, headers, answers } = this.#context;
    const start = performance.now();
    const wanted = parseMaskRequest({ ...params, label: nameOf(params) }, image.ext, limits.maxLabelLength);
    const identity = { image: image.id, digest: image.digest, user, label: wanted.label };
    const name = objectName(identity);
    const grid = await headers.read(image.path, image.digest);
    this.#context.checkMemory?.(grid);
    const answer = new Answer({ wanted, grid, tempDir: options.tempDir, start, answers });
    return desk.sit(name, "infer", options.signal, (signal, watch) => lock.run(name, { signal }, async () => {
      const place = { urgency: options.urgency ?? "round", requestId: options.requestId } as const;
      const journal = journals.of(identity);
      const work = await ObjectWork.open(workshop, journal, { image, user, signal, watch, place, device: wanted.device });
      const state = await this.#draw(work, journal, request, grid, wanted.window);
      tellState(desk, identity, "infer", state);
      return answer.of(state, state.step?.way.axis ?? parseAxis(params.axis, grid.geometry, grid.shape));
    })).finally(() => void keeper.touched(name));
  }

  /** Compares what is drawn with what is in force, and goes on from it. Throws nothing_drawn, slice_locked. */
  async #draw(
    work: ObjectWork, journal: Journal, { params, drawn = {} }: InferRequest, { shape, geometry }: VolumeHeader, window: LimnetSettings["window"],
  ): Promise<ObjectState> {
    const { fusion, memory, limits } = this.#context;
    const { object, covered, foreground, background } = drawn;
    if (![object, foreground, background].some((mask) => mask?.includes(1))) {
      throw new LimnetError("nothing_drawn", "Nothing is drawn in this label. Outline the object on a slice or more (or paint strokes into foreground_scribbles and background_scribbles), then send again.");
    }
    const now = await work.move(0, "infer");
    const inForce = stepInForce(work.history);
    const asked = (params.axis || "auto") === "auto" ? null : parseAxis(params.axis, geometry, shape);
    const goesOn = inForce !== null && inForce.way.model === "limnet" && (asked ?? inForce.way.axis) === inForce.way.axis;
    const axis = asked ?? (goesOn ? inForce.way.axis : ((object && axisOfOutlines(object, shape)) ?? parseAxis("auto", geometry, shape)));
    const way: Way = goesOn ? inForce.way : { model: "limnet", axis, settings: { fusion, memory, propagate: true, window } };
    const before = await readMask(goesOn ? now.fusedPath : null, shape);
    const after = uncovered(object, before, [covered, foreground, background]);
    const blank = !before.includes(1);
    const outlined = blank ? outlinesIn(after, shape, axis) : mendsIn(before, after, shape, axis);
    const strokes = [...strokesOf(foreground, shape, axis, true), ...strokesOf(background, shape, axis, false)];
    const most = limits.maxClicks ?? maxClicks;
    if (strokes.length > most) throw new LimnetError("bad_click", `The strokes stand for ${strokes.length} clicks, and an object may have ${most} (LIMNET_MAX_CLICKS). Clear the strokes, and paint fewer.`);
    const drawing: Omit<Drawing, "weights"> = {
      way, ...outlined,
      from: outlined.slices.length === 0 ? "" : await keepStart(journal, after, shape, true),
      carried: outlined.sparse ? (outlined.prompts.at(-1) ?? null) : null,
      strokes,
    };
    return work.infer((weights) => nextOfDrawing(work.history, { ...drawing, weights }));
  }
}

/** Slicer names the label that is selected, OHIF the label as for clicks. */
function nameOf({ selected_label_name: selected, label }: Params): unknown {
  return selected === undefined || selected === null || selected === "" ? label : selected;
}

/** Voxel values by name in lower letters: `label_info` has them as `id` (Slicer's scribbles), `idx` or `segmentIndex`. */
function valuesOf(info: unknown): Map<string, number> {
  const values = new Map<string, number>();
  if (info === undefined || info === null) return values;
  if (!Array.isArray(info)) throw new LimnetError("bad_params", "\"label_info\" must be a list of {\"name\", \"id\"}: which voxel value is which segment.");
  for (const one of info as Record<string, unknown>[]) {
    const value = [one?.id, one?.idx, one?.segmentIndex].map(Number).find((number) => Number.isInteger(number) && number > 0);
    if (typeof one?.name === "string" && value !== undefined) values.set(one.name.trim().toLowerCase(), value);
  }
  return values;
}

/** The object as it would be without what covers it in a label volume, strokes and other objects: under them nothing was changed. */
function uncovered(object: Uint8Array | undefined, before: Uint8Array, covers: readonly (Uint8Array | undefined)[]): Uint8Array {
  // A label that holds nothing was not emptied by hand: a client that begins shows none.
  const after = Uint8Array.from(object?.includes(1) ? object : before);
  for (const cover of covers) {
    for (let at = cover?.indexOf(1) ?? -1; at >= 0; at = cover!.indexOf(1, at + 1)) after[at] = before[at];
  }
  return after;
}

const strokesOf = (mask: Uint8Array | undefined, shape: Shape, axis: Axis, positive: boolean) => (mask ? strokeClicks(mask, shape, axis, positive) : []);
