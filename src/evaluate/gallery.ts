/** Pictures for the report: the worst, the median and the best case, with the outlines of truth and masks. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { prepare } from "../apps/limnet/prepare.js";
import type { Axis, Shape } from "../imaging/geometry.js";
import { readVolume } from "../imaging/read.js";
import { planeShape, readSlice } from "../imaging/slices.js";
import { contactSheet, type Frame, spreadSlices } from "./contact-sheet.js";
import type { Kept, TaskResult } from "./run.js";
import type { WayName } from "./ways.js";

const [deflate, inflate] = [promisify(gzip), promisify(gunzip)];

/** Masks on disk, a few kilobytes each: which cases will be shown is known only after the last one. */
export class MaskFiles {
  #count = 0;

  /** @param folder exists; its owner deletes it. */
  constructor(private readonly folder: string) {}

  async keep(mask: Uint8Array): Promise<string> {
    const path = join(this.folder, `mask-${++this.#count}.gz`);
    await writeFile(path, await deflate(mask, { level: 1 }));
    return path;
  }

  static async read(path: string): Promise<Uint8Array> {
    return new Uint8Array(await inflate(await readFile(path)));
  }
}

/** Dice after the last round. */
export function lastDice(task: TaskResult, fusion: WayName): number {
  return task.runs[fusion]!.rounds.at(-1)!.dice;
}

/** Worst first; equals stay in their order. */
export function byDice(tasks: readonly TaskResult[], fusion: WayName): TaskResult[] {
  return [...tasks].sort((a, b) => lastDice(a, fusion) - lastDice(b, fusion));
}

export interface Choice {
  readonly what: "worst" | "median" | "best" | "only";
  readonly task: TaskResult;
}

/** The cases to show, none twice. The median of an even number is the lower one of the two. */
export function choose(tasks: readonly TaskResult[], fusion: WayName): Choice[] {
  const sorted = byDice(tasks, fusion);
  if (sorted.length === 0) return [];
  if (sorted.length === 1) return [{ what: "only", task: sorted[0] }];
  const median: Choice[] = sorted.length > 2 ? [{ what: "median", task: sorted[Math.floor((sorted.length - 1) / 2)] }] : [];
  return [{ what: "worst", task: sorted[0] }, ...median, { what: "best", task: sorted[sorted.length - 1] }];
}

/** The slice with the most pixels that differ; null where none does. */
export function mostWrongSlice(truth: Uint8Array, mask: Uint8Array, shape: Shape, axis: Axis): number | null {
  let [most, slice]: [number, number | null] = [0, null];
  for (let n = 0; n < shape[axis]; n++) {
    const outline = readSlice(truth, shape, axis, n);
    const answer = readSlice(mask, shape, axis, n);
    const wrong = outline.reduce((sum, v, i) => sum + (!v === !answer[i] ? 0 : 1), 0);
    if (wrong > most) [most, slice] = [wrong, n];
  }
  return slice;
}

const margin = 12;
const smallestFrame = 64;

/** First pixel and count along one side: `low`..`high` with a margin, not too small, inside of `size`. */
function stretch(low: number, high: number, size: number): [number, number] {
  const length = Math.min(size, Math.max(smallestFrame, high - low + 1 + 2 * margin));
  const start = Math.round((low + high + 1 - length) / 2);
  return [Math.max(0, Math.min(size - length, start)), length];
}

/** The part of the slices where any of the volumes has something, and what surrounds it. */
export function frameOf(volumes: readonly Uint8Array[], shape: Shape, axis: Axis, slices: readonly number[]): Frame {
  const { rows, cols } = planeShape(shape, axis);
  let [top, bottom, left, right] = [rows, -1, cols, -1];
  for (const volume of volumes) {
    for (const slice of slices) {
      readSlice(volume, shape, axis, slice).forEach((v, at) => {
        if (!v) return;
        const [row, col] = [Math.floor(at / cols), at % cols];
        [top, bottom, left, right] = [Math.min(top, row), Math.max(bottom, row), Math.min(left, col), Math.max(right, col)];
      });
    }
  }
  if (bottom < 0) return { row: 0, col: 0, rows, cols };
  const [row, height] = stretch(top, bottom, rows);
  const [col, width] = stretch(left, right, cols);
  return { row, col, rows: height, cols: width };
}

export interface Picture extends Choice {
  readonly png: Buffer;
  /** Slice with the most wrong pixels, of the first way. */
  readonly wrongest: number | null;
}

const spread = 4;

/** Draws one case: a row a way, slices across the object and the one that is most wrong. */
export async function draw(choice: Choice, kept: Kept, ways: readonly WayName[]): Promise<Picture> {
  const { id, label, shape, axis, runs } = choice.task;
  const truth = await MaskFiles.read(kept.truth);
  const rows = [];
  for (const way of ways) {
    const { rounds } = runs[way]!;
    rows.push({
      caption: `${way}, after round ${rounds.length}: dice ${(100 * rounds[rounds.length - 1].dice).toFixed(1)} %`,
      mask: await MaskFiles.read(kept.masks[way]!), clicks: rounds.flatMap(({ clicks }) => clicks),
    });
  }
  const wrongest = mostWrongSlice(truth, rows[0].mask, shape, axis);
  const slices = [...new Set([...spreadSlices(truth, shape, axis, spread), ...(wrongest === null ? [] : [wrongest])])].sort((a, b) => a - b);
  const frame = frameOf([truth, ...rows.map(({ mask }) => mask)], shape, axis, slices);
  const title = `${choice.what}: ${id}${label === "any" ? "" : `, label ${label}`}`;
  const { grey } = await prepare(await readVolume(kept.image));
  return { ...choice, wrongest, png: contactSheet({ title, grey, truth, shape, axis, slices, rows, frame }).png() };
}
