/** One job: rounds of clicks, each click -> prompt mask -> propagation -> fusion with the round before (specification 0). */
import { setTimeout as sleep } from "node:timers/promises";
import { runClicks } from "../apps/limnet/click/click.js";
import { noiseOfScan } from "../apps/limnet/denoise.js";
import { fuse } from "../apps/limnet/fusion/fuse.js";
import type { Networks } from "../apps/limnet/networks.js";
import type { Prepared } from "../apps/limnet/prepare.js";
import type { FeatureCache, SliceSource } from "../apps/limnet/propagation/features.js";
import { withShapes } from "../apps/limnet/propagation/between.js";
import { endsOf } from "../apps/limnet/propagation/ends.js";
import { quantise } from "../apps/limnet/propagation/plane.js";
import { checkCancel, propagate } from "../apps/limnet/propagation/propagate.js";
import { correctedSlices, outlinedSlices } from "../apps/limnet/walker/levels.js";
import { walk } from "../apps/limnet/walker/walker.js";
import { LimnetError } from "../errors.js";
import { changeOf } from "./change.js";
import type { Place } from "./device.js";
import type { Axis } from "../imaging/geometry.js";
import { readVolume } from "../imaging/read.js";
import { planeShape, readSlice, writeSlice } from "../imaging/slices.js";
import type { VolumeHeader } from "../imaging/volume.js";
import { isJudged, type Progress, type RoundRequest, type RoundResult, type SegmentJob, type SegmentResult, type SliceDecision } from "./protocol.js";
import { writeMaskBits } from "./mask-bits.js";
import { readState, type StateWriter } from "./state.js";
import type { VolumeStore } from "./volumes.js";

export interface Workbench {
  readonly networks: Networks & { readonly device?: Place };
  /** Digest of the networks. */
  readonly model: string;
  readonly volumes: VolumeStore;
  readonly cache: FeatureCache;
  readonly states: StateWriter;
  readonly signal?: AbortSignal;
  /** Awaited between slices: more pressing jobs go first. */
  readonly pause?: () => Promise<void>;
  /** Makes room for a job on such a volume before anything of it is read. Throws out_of_memory. */
  readonly reserve?: (header: VolumeHeader) => void;
  readonly onProgress?: (progress: Progress) => void;
}

/** About what an answer takes from its mask to the client, in milliseconds: journal and sending. */
const answerMs = 20;

/** What all rounds of a job share. */
interface Bench extends Workbench {
  readonly job: SegmentJob;
  readonly volume: Prepared;
  readonly source: SliceSource;
  readonly truth?: Uint8Array;
}

/**
 * Runs a job. The result depends on the job and the networks only: not on what the caches hold, nor on whether earlier
 * rounds were run in this job or come from the state.
 * Throws bad_click, bad_request, bad_volume, out_of_memory, engine_cancelled, engine_failed.
 */
export async function runSegment(job: SegmentJob, workbench: Workbench): Promise<SegmentResult> {
  const { volumes, model, states, pause, onProgress } = workbench;
  if (job.outputs.length !== job.rounds.length) throw new LimnetError("bad_request", "A job needs one output per round.");
  await pause?.();
  onProgress?.({ stage: "load", round: 0 });
  workbench.reserve?.(await volumes.header(job.volumePath, job.volumeDigest));
  const volume = await volumes.get(job.volumePath, job.volumeDigest, job.settings.window, pause);
  const source = slicesOf(volume, job.axis, `${job.volumeDigest}|${volume.window.join(",")}|${job.axis}`);
  const voxels = volume.grey.length;
  const truth = job.truthPath === undefined ? undefined : await readTruth(job.truthPath, voxels);
  const bench: Bench = { ...workbench, job, volume, source, truth };
  let fused = job.state.fusedPath === null ? null : await readState(job.state.fusedPath, voxels);
  const past: RoundRequest[] = [...job.state.rounds];
  const rounds: RoundResult[] = [];
  for (const [n, request] of job.rounds.entries()) {
    await pause?.();
    checkRound(request, source);
    const done = await runRound(bench, n, request, past, fused);
    const output = job.outputs[n];
    if (job.keepCurrent) await states.write(`${output}.current`, done.current);
    // The mask first: it is all that an answer needs.
    const mask = job.masks ? await writeMaskBits(output, done.fused, { atOnce: true }) : null;
    const round = { slice: request.slice, ...done.result, ...(mask !== null && { mask }) };
    onProgress?.({ stage: "write", round: n, ...(mask !== null && { made: { round, model } }) });
    // Packing takes a core, which the answer needs first.
    if (mask !== null) await sleep(answerMs);
    // Whoever asked puts it into a journal, and there it is synced.
    const digest = await states.write(output, done.fused, { synced: false });
    rounds.push({ fusedPath: output, digest, ...round });
    fused = done.fused;
    past.push(request);
  }
  return { rounds, model, features: workbench.cache.count() };
}

type RoundFigures = Omit<RoundResult, "fusedPath" | "digest" | "mask" | "slice">;

async function runRound(
  bench: Bench, round: number, request: RoundRequest, past: readonly RoundRequest[], previous: Uint8Array | null,
): Promise<{ current: Uint8Array; fused: Uint8Array; result: RoundFigures }> {
  const { job, networks, volume, source, signal, pause, onProgress } = bench;
  const { slice, clicks } = request;
  const { shape } = volume;
  const { axis, settings } = job;
  const clock = stopwatch();
  onProgress?.({ stage: "click", round, slice });
  const earlier = past.filter((request) => request.slice === slice).flatMap((request) => request.clicks);
  const before = previous === null ? null : { ...planeShape(shape, axis), data: probabilities(readSlice(previous, shape, axis, slice)) };
  const { probability } = await runClicks(networks, source.plane(slice), before, clicks, { earlier, signal, noise: source.noise });
  const prompt = Uint8Array.from(probability.data, quantise);
  const clickSeconds = clock();

  if (!settings.propagate) {
    const fused = previous === null ? new Uint8Array(volume.grey.length) : previous.slice();
    writeSlice(fused, shape, axis, slice, prompt);
    const slices: SliceDecision[] = [{ index: slice, winner: "user", probability: 1 }];
    return { current: fused, fused, result: { slices, clickSeconds, propagateSeconds: 0, fuseSeconds: 0, propagated: 0 } };
  }

  const locked = new Set(past.map((request) => request.slice));
  const prompts = new Map<number, Float32Array>();
  if (previous !== null) for (const index of locked) prompts.set(index, probabilities(readSlice(previous, shape, axis, index)));
  prompts.set(slice, probabilities(prompt));
  const drawn = new Set([...past, request].filter((one) => one.drawn).map((one) => one.slice));
  for (const end of endsOf(prompts, drawn)) if (end >= 0 && end < source.count) prompts.set(end, new Float32Array(prompt.length));
  const { planes: propagated, disagreement, decoded, seen } = await propagate({
    networks, source, cache: bench.cache, model: `${bench.model} ${networks.device ?? ""}`, prompts, clicked: slice, mode: settings.memory, gaps: settings.directions === "one" ? "nearest" : "blend", signal, pause,
    onSlice: (index, plane, done) => onProgress?.({
      stage: "propagate", round, slice: index, done, total: source.count,
      ...(job.changes && { change: changeOf(previous === null ? null : readSlice(previous, shape, axis, index), plane, planeShape(shape, axis)) }),
    }),
  });
  const { walker, shapes } = networks.settings.propagation;
  const [corrected, outlined] = [correctedSlices([...past, request]), outlinedSlices([...past, request])];
  const shaped = shapes === undefined ? propagated : withShapes(propagated, prompts.keys(), new Set([...corrected, ...outlined]), source, shapes);
  const planes = walker === undefined ? shaped : await walk({
    source: seen, planes: shaped, settings: walker, check: async () => {
      await pause?.();
      checkCancel(signal);
    },
    prompts: new Set(settings.memory === "literal" ? [slice] : prompts.keys()),
    corrected,
    outlined,
  });
  const current = new Uint8Array(volume.grey.length);
  for (const [index, plane] of planes.entries()) if (plane !== null) writeSlice(current, shape, axis, index, plane);
  const propagateSeconds = clock();

  onProgress?.({ stage: "fuse", round });
  const { fused, slices: decided } = await fuse(networks, {
    grey: volume.grey, shape, axis, previous, current, clicked: slice, locked, held: new Set(job.held), kind: settings.fusion, truth: bench.truth, signal, pause,
    onProgress: (done, total) => onProgress?.({ stage: "fuse", round, done, total }),
  });
  const slices = decided.map((one) => (isJudged(one) && disagreement.has(one.index) ? { ...one, disagreement: disagreement.get(one.index) } : one));
  return { current, fused, result: { slices, clickSeconds, propagateSeconds, fuseSeconds: clock(), propagated: decoded } };
}

/** Stored probabilities as 0..1; a warm state is made of the same bytes as one from disk. */
const probabilities = (stored: Uint8Array) => Float32Array.from(stored, (p) => p / 255);

/** Seconds since the last call. */
function stopwatch(): () => number {
  let last = performance.now();
  return () => {
    const now = performance.now();
    const seconds = (now - last) / 1000;
    last = now;
    return seconds;
  };
}

function slicesOf({ grey, shape }: Prepared, axis: Axis, identity: string): SliceSource {
  const { rows, cols } = planeShape(shape, axis);
  const count = shape[axis];
  const plane = (index: number) => ({ data: readSlice(grey, shape, axis, index), rows, cols });
  let noise: number | undefined;
  return { count, rows, cols, identity, plane, get noise() { return (noise ??= noiseOfScan({ count, plane })); } };
}

function checkRound({ slice, clicks }: RoundRequest, { count, rows, cols }: SliceSource): void {
  const inside = (value: number, length: number) => Number.isInteger(value) && value >= 0 && value < length;
  if (!inside(slice, count) || clicks.some(({ row, col }) => !inside(row, rows) || !inside(col, cols))) {
    throw new LimnetError("bad_click", `A click lies outside the volume, which has ${count} slices of ${rows} rows and ${cols} columns here.`);
  }
}

async function readTruth(path: string, voxels: number): Promise<Uint8Array> {
  const { voxels: labels } = await readVolume(path);
  if (labels.length !== voxels) throw new LimnetError("bad_volume", "The truth has not the grid of the image.");
  const truth = new Uint8Array(voxels);
  for (let i = 0; i < voxels; i++) truth[i] = labels[i] === 0 ? 0 : 1;
  return truth;
}
