/** Works through the tasks of an evaluation: each object of each case, once per kind of fusion, and the classical ways from the same prompts. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseAxis } from "../apps/limnet/params.js";
import { prepare } from "../apps/limnet/prepare.js";
import type { Engine, FusionKind, LimnetSettings } from "../engine/protocol.js";
import { fileDigest } from "../imaging/digest.js";
import { type Axis, sameGrid, type Shape, spacing } from "../imaging/geometry.js";
import { encodeMask } from "../imaging/mask.js";
import { readHeader, readVolume } from "../imaging/read.js";
import { type Case, CaseError, objectsOf } from "./cases.js";
import { EngineInteract } from "./engine-interact.js";
import type { PlacedClick, Seconds } from "./interact.js";
import { type SurfaceScores, surfaceScores } from "../imaging/scores.js";
import { runBaseline } from "./baselines/run.js";
import { runDrawn } from "./drawn.js";
import { type ProtocolName, type Round, runProtocol, type Task } from "./protocol.js";
import type { RoundMasks } from "./round-masks.js";
import { nudger, type Spoil, spoilFiles } from "./spoil.js";
import type { BaselineName, WayName } from "./ways.js";

export interface Plan {
  /** "drawn": outlines of slices instead of clicks. */
  readonly protocol: ProtocolName | "drawn";
  readonly rounds: number;
  /** At least one: its prompts are those of the baselines. */
  readonly fusions: readonly FusionKind[];
  readonly baselines: readonly BaselineName[];
  /** As `params.axis` of a request: "auto", "coronal", "2" …; "other": the one after the automatic choice. */
  readonly axis: string;
  readonly labelValues: "any" | "each" | number;
  readonly memory: LimnetSettings["memory"];
  readonly directions: NonNullable<LimnetSettings["directions"]>;
  readonly spoil: Spoil;
  /** Of jitter and noise. */
  readonly seed: number;
  /** A Python with scikit-image, for baseline "walker". */
  readonly python: string;
}

export interface RoundScore {
  readonly slice: number | null;
  readonly clicks: readonly PlacedClick[];
  readonly dice: number;
  readonly sliceDice: number;
  readonly beyond: number;
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
  readonly runs: Partial<Record<WayName, Run>>;
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
  readonly masks: Partial<Record<WayName, string>>;
}

/** Is called with every finished task; `kept` is given where masks are kept. */
export type OnTask = (task: TaskResult, kept: Kept | undefined) => void;

interface CaseOutcome {
  readonly tasks: { readonly task: TaskResult; readonly kept: Kept | undefined }[];
  readonly model: string;
}

function axisOf(plan: Plan, ...grid: [Parameters<typeof parseAxis>[1], Shape]): Axis {
  return plan.axis === "other" ? (((parseAxis("auto", ...grid) + 1) % 3) as Axis) : parseAxis(plan.axis, ...grid);
}

/** Runs one case: all its objects. `folder` is emptied afterwards; `spoilt` receives what is made of image and label. Throws CaseError where they do not fit. */
async function runCase(engine: Engine, item: Case, plan: Plan, folder: string, spoilt: string, keep: KeepMask | undefined, roundMasks: RoundMasks | undefined): Promise<CaseOutcome> {
  const given = await readHeader(item.image);
  const axis = axisOf(plan, given.geometry, given.shape);
  await mkdir(spoilt, { recursive: true });
  const files = await spoilFiles(item, axis, plan.spoil, plan.seed, spoilt);
  const [header, label, volumeDigest] = await Promise.all([readHeader(files.image), readVolume(files.label), fileDigest(files.image)]);
  if (!sameGrid(header, label)) throw new CaseError("image and label are not on the same grid");
  const { shape, geometry } = header;
  const grey = plan.baselines.includes("walker") ? (await prepare(await readVolume(files.image))).grey : new Uint8Array(0);
  const tasks: CaseOutcome["tasks"] = [];
  let model = "";
  for (const { value, truth } of objectsOf(label.voxels, plan.labelValues)) {
    const object: Task = { shape, axis, truth };
    const runs: Partial<Record<WayName, Run>> = {};
    const masks: Partial<Record<WayName, string>> = {};
    let reference: Round[] = [];
    const note = async (way: WayName, rounds: Round[]) => {
      const { mask } = rounds[rounds.length - 1];
      runs[way] = { rounds: rounds.map(({ mask: _, ...figures }) => figures), surface: surfaceScores(truth, mask, shape, spacing(geometry)) };
      if (keep) masks[way] = await keep(mask);
    };
    for (const fusion of plan.fusions) {
      await mkdir(folder, { recursive: true });
      const truthPath = fusion === "oracle" ? join(folder, "truth.nii.gz") : undefined;
      if (truthPath) await encodeMask(truth, shape, geometry, ".nii.gz", truthPath);
      const settings: LimnetSettings = { fusion, memory: plan.memory, propagate: true, window: null, directions: plan.directions };
      const user = new EngineInteract(engine, { volumePath: files.image, volumeDigest, axis, shape, settings, truthPath, folder });
      try {
        const rounds = plan.protocol === "drawn" ? await runDrawn(object, user, plan.rounds)
          : await runProtocol(object, user, plan.protocol, plan.rounds, { nudge: nudger(plan.spoil.jitter, plan.seed) });
        await note(fusion, rounds);
        await roundMasks?.write({ id: item.id, label: value, way: fusion, axis }, rounds, shape, geometry);
        if (reference.length === 0) reference = rounds;
        model = user.model;
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    }
    for (const name of plan.baselines) await note(name, await runBaseline(name, object, reference, plan, { grey, spacing: spacing(geometry) }, folder));
    const voxels = truth.reduce((sum, v) => sum + v, 0);
    const task = { id: item.id, group: item.group, label: value, shape, spacing: spacing(geometry), axis, voxels, runs };
    tasks.push({ task, kept: keep && { image: files.image, truth: await keep(truth), masks } });
  }
  return { tasks, model };
}

/** Runs all cases, one after the other: the engine uses all cores. A case that cannot be read is skipped and named. */
export async function runCases(
  engine: Engine, cases: readonly Case[], plan: Plan, scratch: string, onTask: OnTask = () => {}, keep?: KeepMask, roundMasks?: RoundMasks,
): Promise<Outcome> {
  const outcome = { tasks: [] as TaskResult[], skipped: [] as { id: string; reason: string }[], model: "" };
  for (const [n, item] of cases.entries()) {
    const spoilt = join(scratch, `spoilt-${n}`);
    try {
      const { tasks, model } = await runCase(engine, item, plan, join(scratch, "task"), spoilt, keep, roundMasks);
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
    } finally {
      // Pictures are drawn of it at the end.
      if (!keep) await rm(spoilt, { recursive: true, force: true });
    }
  }
  return outcome;
}
