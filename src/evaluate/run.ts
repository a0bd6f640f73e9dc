/** Works through the tasks of an evaluation: each object of each case, once per kind of fusion. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseAxis } from "../apps/limnet/params.js";
import type { Engine, FusionKind, LimnetSettings } from "../engine/protocol.js";
import { fileDigest } from "../imaging/digest.js";
import { type Axis, sameGrid, type Shape, spacing } from "../imaging/geometry.js";
import { encodeMask } from "../imaging/mask.js";
import { readHeader, readVolume } from "../imaging/read.js";
import { type Case, CaseError, objectsOf } from "./cases.js";
import { EngineInteract } from "./engine-interact.js";
import type { PlacedClick, Seconds } from "./interact.js";
import { type SurfaceScores, surfaceScores } from "../imaging/scores.js";
import { type ProtocolName, runProtocol } from "./protocol.js";

export interface Plan {
  readonly protocol: ProtocolName;
  readonly rounds: number;
  readonly fusions: readonly FusionKind[];
  /** As `params.axis` of a request: "auto", "coronal", "2" … */
  readonly axis: string;
  readonly labelValues: "any" | "each" | number;
  readonly memory: LimnetSettings["memory"];
}

export interface RoundScore {
  readonly slice: number | null;
  readonly clicks: readonly PlacedClick[];
  readonly dice: number;
  readonly sliceDice: number;
  readonly kept: number;
  readonly propagated: number;
  readonly seconds: Seconds;
}

export interface Run {
  readonly rounds: readonly RoundScore[];
  /** Surface scores after the last round, tolerance 2 mm. */
  readonly surface: SurfaceScores;
}

export interface TaskResult {
  readonly id: string;
  readonly group: string;
  readonly label: number | "any";
  readonly shape: Shape;
  readonly spacing: Shape;
  readonly axis: Axis;
  /** Voxels of the object. */
  readonly voxels: number;
  readonly runs: Partial<Record<FusionKind, Run>>;
}

export interface Outcome {
  readonly tasks: TaskResult[];
  /** Cases that could not be used, and why. */
  readonly skipped: { readonly id: string; readonly reason: string }[];
  readonly model: string;
}

/** Puts a mask away and returns the path it can be read from. */
export type KeepMask = (mask: Uint8Array) => Promise<string>;

/** What pictures of a task are made of: paths. */
export interface Kept {
  readonly image: string;
  /** The outline, as KeepMask stored it. */
  readonly truth: string;
  /** Masks after the last round, as KeepMask stored them. */
  readonly masks: Partial<Record<FusionKind, string>>;
}

/** Is called with every finished task; `kept` is given where masks are kept. */
export type OnTask = (task: TaskResult, kept: Kept | undefined) => void;

interface CaseOutcome {
  readonly tasks: { readonly task: TaskResult; readonly kept: Kept | undefined }[];
  readonly model: string;
}

/** Runs one case: all its objects. `folder` is emptied afterwards. Throws CaseError where image and label do not fit. */
async function runCase(engine: Engine, item: Case, plan: Plan, folder: string, keep: KeepMask | undefined): Promise<CaseOutcome> {
  const [header, label, volumeDigest] = await Promise.all([readHeader(item.image), readVolume(item.label), fileDigest(item.image)]);
  if (!sameGrid(header, label)) throw new CaseError("image and label are not on the same grid");
  const { shape, geometry } = header;
  const axis = parseAxis(plan.axis, geometry, shape);
  const tasks: CaseOutcome["tasks"] = [];
  let model = "";
  for (const { value, truth } of objectsOf(label.voxels, plan.labelValues)) {
    const runs: Partial<Record<FusionKind, Run>> = {};
    const masks: Partial<Record<FusionKind, string>> = {};
    for (const fusion of plan.fusions) {
      await mkdir(folder, { recursive: true });
      const truthPath = fusion === "oracle" ? join(folder, "truth.nii.gz") : undefined;
      if (truthPath) await encodeMask(truth, shape, geometry, ".nii.gz", truthPath);
      const settings: LimnetSettings = { fusion, memory: plan.memory, propagate: true, window: null };
      const user = new EngineInteract(engine, { volumePath: item.image, volumeDigest, axis, settings, truthPath, folder });
      try {
        const rounds = await runProtocol({ shape, axis, truth }, user, plan.protocol, plan.rounds);
        const { mask } = rounds[rounds.length - 1];
        runs[fusion] = {
          rounds: rounds.map(({ mask: _, ...score }) => score),
          surface: surfaceScores(truth, mask, shape, spacing(geometry)),
        };
        if (keep) masks[fusion] = await keep(mask);
        model = user.model;
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    }
    const voxels = truth.reduce((sum, v) => sum + v, 0);
    const task = { id: item.id, group: item.group, label: value, shape, spacing: spacing(geometry), axis, voxels, runs };
    tasks.push({ task, kept: keep && { image: item.image, truth: await keep(truth), masks } });
  }
  return { tasks, model };
}

/** Runs all cases, one after the other: the engine uses all cores. A case that cannot be read is skipped and named. */
export async function runCases(
  engine: Engine, cases: readonly Case[], plan: Plan, scratch: string, onTask: OnTask = () => {}, keep?: KeepMask,
): Promise<Outcome> {
  const outcome = { tasks: [] as TaskResult[], skipped: [] as { id: string; reason: string }[], model: "" };
  for (const item of cases) {
    try {
      const { tasks, model } = await runCase(engine, item, plan, join(scratch, "task"), keep);
      if (tasks.length === 0) outcome.skipped.push({ id: item.id, reason: "the label holds no object of this value" });
      else outcome.model = model;
      for (const { task, kept } of tasks) {
        outcome.tasks.push(task);
        onTask(task, kept);
      }
    } catch (error) {
      const unusable = error instanceof CaseError || ["bad_volume", "not_found"].includes((error as { code?: string }).code ?? "");
      if (!unusable) throw error;
      outcome.skipped.push({ id: item.id, reason: (error as Error).message });
    }
  }
  return outcome;
}
