/** Protocol E (specification 1.8, 5.3): how many clicks a slice needs until the mask is good, without propagation. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseAxis } from "../apps/limnet/params.js";
import type { Engine, LimnetSettings } from "../engine/protocol.js";
import { fileDigest } from "../imaging/digest.js";
import { type Axis, sameGrid, type Shape } from "../imaging/geometry.js";
import { writeNifti } from "../imaging/nifti-write.js";
import { readHeader, readVolume } from "../imaging/read.js";
import { iou, overlap } from "../imaging/scores.js";
import { planeShape, readSlice } from "../imaging/slices.js";
import { type Case, CaseError, objectsOf } from "./cases.js";
import { EngineInteract } from "./engine-interact.js";
import type { PlacedClick } from "./interact.js";
import { flatGeometry, flatShape, PictureReader } from "./pictures.js";
import { placeClick } from "./protocol.js";
import { nudger } from "./spoil.js";

export const clickLimit = 20;
/** Clicks go on until the best of them is reached. */
export const goals = [0.85, 0.9] as const;

/** Objects under so many pixels are no task for a click (specification 1.6). */
const smallest = 100;
/** Objects of one picture, the largest first; slices of one scan, the largest and those at a quarter and three quarters of the object. */
const perCase = 3;

export interface SliceTask {
  readonly id: string;
  readonly dataset: string;
  readonly group: string;
  readonly label: number | "any";
  readonly slice: number;
  readonly pixels: number;
  /** IoU after every click; ends with the last goal, or with the last click. */
  readonly ious: readonly number[];
  readonly clicks: readonly PlacedClick[];
}

export interface NocPlan {
  readonly protocol: "E";
  readonly axis: string;
  readonly labelValues: "any" | "each" | number;
  /** Pixels by which clicks may miss their point. */
  readonly jitter: number;
  readonly seed: number;
}

export interface NocOutcome {
  readonly tasks: SliceTask[];
  readonly skipped: { readonly id: string; readonly reason: string }[];
  readonly model: string;
}

/** Clicks until the IoU is at least `goal`; the limit where it never is. */
export function clicksTo(goal: number, ious: readonly number[]): number {
  const reached = ious.findIndex((value) => value >= goal);
  return reached < 0 ? clickLimit : reached + 1;
}

interface Opened {
  readonly volumePath: string;
  readonly axis: Axis;
  readonly shape: Shape;
  readonly window: LimnetSettings["window"];
  readonly targets: readonly { readonly label: number | "any"; readonly slice: number; readonly truth: Uint8Array }[];
}

const area = (mask: Uint8Array) => mask.reduce((sum, v) => sum + (v ? 1 : 0), 0);

async function openPicture(item: Case, plan: NocPlan, reader: PictureReader, folder: string): Promise<Opened> {
  const [grey, labels] = [await reader.grey(item.image), await reader.labels(item.label)];
  if (grey.rows !== labels.rows || grey.cols !== labels.cols) throw new CaseError("picture and outline differ in size");
  const shape = flatShape(grey);
  const volumePath = join(folder, "picture.nii");
  await writeNifti({ voxels: grey.data, shape, geometry: flatGeometry, slope: 1, intercept: 0 }, volumePath, { gzip: false });
  const targets = objectsOf(labels.data, plan.labelValues === "any" ? "each" : plan.labelValues)
    .map(({ value, truth }) => ({ label: value, slice: 0, truth }))
    .sort((a, b) => area(b.truth) - area(a.truth));
  return { volumePath, axis: 2, shape, window: [0, 255], targets };
}

/** Of every object its largest slice, and those at a quarter and three quarters of its extent. */
async function openVolume(item: Case, plan: NocPlan): Promise<Opened> {
  const [{ shape, geometry }, label] = await Promise.all([readHeader(item.image), readVolume(item.label)]);
  if (!sameGrid({ shape, geometry }, label)) throw new CaseError("image and label are not on the same grid");
  const axis = parseAxis(plan.axis, geometry, shape);
  const targets = objectsOf(label.voxels, plan.labelValues).flatMap(({ value, truth }) => {
    const areas = Array.from({ length: shape[axis] }, (_, n) => area(readSlice(truth, shape, axis, n)));
    const held = areas.flatMap((a, n) => (a > 0 ? [n] : []));
    const chosen = [areas.indexOf(Math.max(...areas)), ...[0.25, 0.75].map((share) => held[Math.round(share * (held.length - 1))])];
    return [...new Set(chosen)].map((slice) => ({ label: value, slice, truth: readSlice(truth, shape, axis, slice) }));
  });
  return { volumePath: item.image, axis, shape, window: null, targets };
}

async function runCase(engine: Engine, item: Case, plan: NocPlan, reader: PictureReader, folder: string): Promise<{ tasks: SliceTask[]; model: string }> {
  const { volumePath, axis, shape, window, targets } = item.kind === "image" ? await openPicture(item, plan, reader, folder) : await openVolume(item, plan);
  const volumeDigest = await fileDigest(volumePath);
  const settings: LimnetSettings = { fusion: "none", memory: "permanent", propagate: false, window };
  const tasks: SliceTask[] = [];
  let model = "";
  for (const { label, slice, truth } of targets.filter((target) => area(target.truth) >= smallest).slice(0, perCase)) {
    const user = new EngineInteract(engine, { volumePath, volumeDigest, axis, shape, settings, folder });
    const plane = { data: truth, ...planeShape(shape, axis) };
    const nudge = nudger(plan.jitter, plan.seed);
    const clicks: PlacedClick[] = [];
    const ious: number[] = [];
    let seen: Uint8Array = new Uint8Array(truth.length);
    while (clicks.length < clickLimit) {
      const click = placeClick(plane, seen, clicks, nudge);
      if (!click) break;
      clicks.push({ ...click, slice });
      const { mask } = await user.segment(clicks, { propagate: false });
      seen = readSlice(mask, shape, axis, slice);
      ious.push(iou(overlap(truth, seen)));
      if (ious[ious.length - 1] >= Math.max(...goals)) break;
    }
    model = user.model;
    tasks.push({ id: item.id, dataset: item.dataset, group: item.group, label, slice, pixels: area(truth), ious, clicks });
  }
  return { tasks, model };
}

/** Runs all cases, one after the other. A case that cannot be read, or holds nothing large enough, is skipped and named. */
export async function runNoc(
  engine: Engine, cases: readonly Case[], plan: NocPlan, scratch: string, onCase: (item: Case, tasks: readonly SliceTask[]) => void = () => {},
): Promise<NocOutcome> {
  const outcome = { tasks: [] as SliceTask[], skipped: [] as { id: string; reason: string }[], model: "" };
  const reader = new PictureReader();
  const folder = join(scratch, "slice");
  for (const item of cases) {
    await mkdir(folder, { recursive: true });
    try {
      const { tasks, model } = await runCase(engine, item, plan, reader, folder);
      if (tasks.length === 0) outcome.skipped.push({ id: item.id, reason: `no object of ${smallest} pixels` });
      else outcome.model = model;
      outcome.tasks.push(...tasks);
      onCase(item, tasks);
    } catch (error) {
      const unusable = error instanceof CaseError || ["bad_volume", "not_found"].includes((error as { code?: string }).code ?? "");
      if (!unusable) throw error;
      outcome.skipped.push({ id: item.id, reason: (error as Error).message });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  return outcome;
}
