/**
 * LIM-Net under the names of other models, so that scripts and settings which name them go on working. An alias has the type, dimension
 * and label list that clients expect there (protocol 3.2, 3.3); work under an alias is the same work as under the model's own name.
 */
import type { InferOptions, InferRequest, InferResult, InferTask, Params } from "../app.js";
import { Alias } from "./alias.js";
import { DeepeditTask } from "./deepedit.js";
import type { LimnetTask, TaskContext } from "./task.js";

export interface AliasKind {
  /** Model that does the work. */
  readonly model: "limnet" | "limnet_2d";
  readonly type: "deepgrow" | "deepedit";
  /** "none": the client's own label only, as SAM models are published. */
  readonly labels: "app" | "none";
  /** Options that clients of that model show or send. */
  readonly config?: Readonly<Record<string, unknown>>;
}

const sam = { reset_state: false, largest_cc: false, pylab: false };

/** What clients know of these names; any other name is a deepgrow model of three dimensions. */
const known: Readonly<Record<string, AliasKind>> = {
  deepgrow_2d: { model: "limnet_2d", type: "deepgrow", labels: "app" },
  deepgrow_3d: { model: "limnet", type: "deepgrow", labels: "app" },
  deepedit: { model: "limnet", type: "deepedit", labels: "app" },
  sam_2d: { model: "limnet_2d", type: "deepgrow", labels: "none", config: sam },
  sam_3d: { model: "limnet", type: "deepgrow", labels: "none", config: sam },
};

/** A name that survives in a path: clients write a space there as "+" (protocol 1.1). */
export const aliasName = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

export function aliasKind(name: string): AliasKind {
  return Object.hasOwn(known, name) ? known[name] : { model: "limnet", type: "deepgrow", labels: "app" };
}

/** The task that is published under `name`. */
export function aliasTask(name: string, target: LimnetTask, context: TaskContext): InferTask {
  const kind = aliasKind(name);
  return kind.type === "deepedit" ? new DeepeditTask(target, context) : new AliasTask(kind, target);
}

class AliasTask extends Alias implements InferTask {
  readonly type = "deepgrow";
  readonly labels: readonly string[];
  readonly #kind: AliasKind;

  constructor(kind: AliasKind, target: LimnetTask) {
    super(target);
    this.labels = kind.labels === "app" ? target.labels : [];
    this.#kind = kind;
  }

  override config(): Record<string, unknown> {
    return { ...super.config(), ...this.#kind.config };
  }

  /** `roi` and `reset_state` need nothing: all clicks come each time, and what they have in common with the last ones is kept. */
  run(request: InferRequest, options: InferOptions): Promise<InferResult> {
    return this.target.run({ ...request, params: integers(request.params) }, options);
  }
}

/** OHIF v2 sends pixel positions with fractions (protocol 4.4). */
function integers(params: Params): Params {
  const rounded = (value: unknown) => (Array.isArray(value) ? value.map((point) =>
    (Array.isArray(point) ? point.map((x) => (typeof x === "number" && Number.isFinite(x) ? Math.round(x) : x)) : point)) : value);
  return { ...params, foreground: rounded(params.foreground), background: rounded(params.background) };
}
