/**
 * The evaluation protocols of the specification's 5.3: which slice the robot user takes and how often it clicks there.
 * A, "six clicks": one click a round. B, "six slices": up to five clicks a round, until the slice is right (IoU 0.95).
 */
import type { Axis, Shape } from "../imaging/geometry.js";
import { planeShape, readSlice } from "../imaging/slices.js";
import type { Answer, Interact, PlacedClick, Seconds } from "./interact.js";
import { dice, iou, type Overlap, overlap } from "../imaging/scores.js";
import { type BinarySlice, nextClick } from "./robot.js";
import type { Nudge } from "./spoil.js";

export type ProtocolName = "A" | "B";

/** One object of one scan. */
export interface Task {
  readonly shape: Shape;
  readonly axis: Axis;
  /** Grid of the image, i fastest, not zero = object. Holds at least one voxel of it. */
  readonly truth: Uint8Array;
}

export interface Round {
  /** Null where nothing was left to correct: the round repeats the result of the one before. */
  readonly slice: number | null;
  /** Clicks of this round. */
  readonly clicks: readonly PlacedClick[];
  readonly mask: Uint8Array;
  /** Dice of the whole volume. */
  readonly dice: number;
  /** Mean Dice of the slices that hold some of the object. */
  readonly sliceDice: number;
  /** Voxels filled on slices beyond the object's ends (or in its gaps), as a share of its volume. */
  readonly beyond: number;
  readonly seconds: Seconds;
  readonly kept: number;
  readonly propagated: number;
}

const largeSlice = 100;
const clicksPerSlice = 5;
const goodSlice = 0.95;

function overlaps({ shape, axis, truth }: Task, mask: Uint8Array): Overlap[] {
  return Array.from({ length: shape[axis] }, (_, n) => overlap(readSlice(truth, shape, axis, n), readSlice(mask, shape, axis, n)));
}

/** The slice with the largest area of the object: where a user would begin. */
export function firstSlice({ shape, axis, truth }: Task): number {
  let best = 0;
  let most = -1;
  for (let n = 0; n < shape[axis]; n++) {
    const area = readSlice(truth, shape, axis, n).reduce((sum, v) => sum + (v ? 1 : 0), 0);
    if (area > most) {
      most = area;
      best = n;
    }
  }
  return best;
}

/**
 * The slice that looks worst: lowest Dice among those where the object, or what was taken for it in error, is large enough to
 * catch the eye. That is 100 pixels, or for an object without any such slice the median of its own areas. Among equals (slices that
 * are missed altogether, mostly) the one with the largest area, then the first.
 */
export function worstSlice(slices: readonly Overlap[]): number {
  const areas = slices.map(({ truth }) => truth).filter((area) => area > 0).sort((a, b) => b - a);
  const enough = areas[0] >= largeSlice ? largeSlice : areas[Math.ceil(areas.length / 2) - 1];
  let worst = -1;
  let lowest = Infinity;
  let largest = 0;
  slices.forEach((slice, n) => {
    const area = Math.max(slice.truth, slice.mask - slice.both);
    const score = dice(slice);
    if (area >= enough && (score < lowest || (score === lowest && area > largest))) {
      lowest = score;
      largest = area;
      worst = n;
    }
  });
  return worst;
}

export function score(task: Task, mask: Uint8Array): Pick<Round, "dice" | "sliceDice" | "beyond"> {
  const slices = overlaps(task, mask);
  const withObject = slices.filter(({ truth }) => truth > 0);
  const sum = (pick: (slice: Overlap) => number) => slices.reduce((total, slice) => total + pick(slice), 0);
  return {
    dice: dice(overlap(task.truth, mask)),
    sliceDice: withObject.reduce((total, slice) => total + dice(slice), 0) / withObject.length,
    beyond: sum(({ truth, mask: filled }) => (truth === 0 ? filled : 0)) / sum(({ truth }) => truth),
  };
}

/** The robot's click, beside its point where a nudge is given: still in the same error, on a pixel that has no click yet. */
export function placeClick(truth: BinarySlice, seen: Uint8Array, before: readonly PlacedClick[], nudge: Nudge | undefined) {
  const click = nextClick(truth, seen, before);
  if (!click || !nudge) return click;
  const { positive } = click;
  const allowed = ({ row, col }: { row: number; col: number }) => {
    if (row < 0 || col < 0 || row >= truth.rows || col >= truth.cols || before.some((c) => c.row === row && c.col === col)) return false;
    const at = row * truth.cols + col;
    return positive ? truth.data[at] !== 0 && seen[at] === 0 : truth.data[at] === 0 && seen[at] !== 0;
  };
  return { ...nudge(click, allowed), positive };
}

/** Clicks on one slice until it is done. Returns the new clicks and the seconds of the looks between them. */
async function clickSlice(
  task: Task, interact: Interact, name: ProtocolName, slice: number, mask: Uint8Array, before: readonly PlacedClick[], nudge: Nudge | undefined,
) {
  const { shape, axis } = task;
  const truth = { data: readSlice(task.truth, shape, axis, slice), ...planeShape(shape, axis) };
  const clicks: PlacedClick[] = [];
  let looks = 0;
  let seen = readSlice(mask, shape, axis, slice);
  for (let n = 0; n < (name === "A" ? 1 : clicksPerSlice); n++) {
    const all = [...before, ...clicks];
    const click = placeClick(truth, seen, all.filter((c) => c.slice === slice), nudge);
    if (!click) break;
    clicks.push({ ...click, slice });
    if (name === "A") break;
    const look = await interact.segment([...before, ...clicks], { propagate: false });
    looks += look.seconds.click;
    seen = readSlice(look.mask, shape, axis, slice);
    if (iou(overlap(truth.data, seen)) >= goodSlice) break;
  }
  return { clicks, looks };
}

export interface ProtocolOptions {
  readonly onRound?: (round: Round, number: number) => void | Promise<void>;
  /** Puts clicks beside their point. */
  readonly nudge?: Nudge;
}

/** Works through the rounds of a protocol. The same clicks for the same answers: nothing is drawn at random without a nudge. */
export async function runProtocol(
  task: Task, interact: Interact, name: ProtocolName, rounds: number, { onRound = () => {}, nudge }: ProtocolOptions = {},
): Promise<Round[]> {
  const done: Round[] = [];
  const clicks: PlacedClick[] = [];
  let mask: Uint8Array = new Uint8Array(task.truth.length);
  for (let n = 1; n <= rounds; n++) {
    const slice = n === 1 ? firstSlice(task) : worstSlice(overlaps(task, mask));
    const work = await clickSlice(task, interact, name, slice, mask, clicks, nudge);
    let answer: Answer = { mask, seconds: { click: 0, propagate: 0, fuse: 0 }, kept: 0, propagated: 0 };
    if (work.clicks.length > 0) {
      clicks.push(...work.clicks);
      answer = await interact.segment(clicks, { propagate: true });
    }
    mask = answer.mask;
    const { kept, propagated } = answer;
    // Protocol B: the last look and the finished round both run the click network on the same clicks; the user waits for the looks.
    const seconds = { ...answer.seconds, click: name === "A" ? answer.seconds.click : work.looks };
    const round = { slice: work.clicks.length > 0 ? slice : null, clicks: work.clicks, mask, ...score(task, mask), seconds, kept, propagated };
    done.push(round);
    await onRound(round, n);
  }
  return done;
}
