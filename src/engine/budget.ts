/**
 * What a job takes, known from the header of its volume before anything is allocated. Counted in bytes per voxel, measured with
 * bench/large.ts: 512 x 512 x 600 voxels of int16 took 1.6 GiB in all.
 */
import { LimnetError } from "../errors.js";
import { sampleBytes } from "../imaging/dtype.js";
import type { Shape } from "../imaging/geometry.js";

/** Server and engine with their networks, before any volume. */
export const idleBytes = 450 * 2 ** 20;
/** Grey values, kept for the next click. */
const greyPerVoxel = 1;
/** Probabilities: last result, slices of this round, their volume, the fused volume, and its compressed form. */
const workPerVoxel = 5;
/** In the process that serves HTTP: mask, and the file made of it. */
const answerPerVoxel = 2;
/** Pieces of a file on their way, the largest regions of a direction. */
const extraBytes = 64 * 2 ** 20;

export interface Header {
  readonly shape: Shape;
  /** numpy name of the stored type. */
  readonly dtype: string;
}

export interface MemoryPlan {
  /** For volumes and jobs. */
  readonly workBytes: number;
  /** For features of slices. */
  readonly cacheBytes: number;
}

/** How an amount of memory is used; all of it together is never more. */
export function planMemory(total: number): MemoryPlan {
  const free = Math.max(0, total - idleBytes);
  const cacheBytes = Math.min(512 * 2 ** 20, Math.floor(free / 4));
  return { workBytes: free - cacheBytes, cacheBytes };
}

const voxelsOf = ({ shape: [ni, nj, nk] }: Header) => ni * nj * nk;
const sampleSize = (dtype: string) => (dtype in sampleBytes ? sampleBytes[dtype as keyof typeof sampleBytes] : 8);

/** Bytes that a job takes in the engine beside the grey values: while the volume is read, or while it works, whichever is more. */
export function workBytesOf(header: Header): number {
  return voxelsOf(header) * Math.max(workPerVoxel, sampleSize(header.dtype)) + extraBytes;
}

export function greyBytesOf(header: Header): number {
  return voxelsOf(header) * greyPerVoxel;
}

/** Bytes that the answer takes in the server. */
export function answerBytesOf(header: Header): number {
  return voxelsOf(header) * answerPerVoxel;
}

/** Throws LimnetError out_of_memory, with the numbers, where a job on such a volume would not fit into `total` bytes. */
export function checkFits(header: Header, total: number): void {
  const needed = workBytesOf(header) + greyBytesOf(header) + answerBytesOf(header);
  const { workBytes } = planMemory(total);
  if (needed > workBytes) throw tooLarge(header, needed, workBytes, total);
}

/** The same for a server whose engines are elsewhere. */
export function checkAnswerFits(header: Header, total: number): void {
  const needed = answerBytesOf(header);
  if (needed > total - idleBytes / 2) throw tooLarge(header, needed, total - idleBytes / 2, total);
}

const gigabytes = (bytes: number) => `${(Math.max(0, bytes) / 2 ** 30).toFixed(2)} GB`;

function tooLarge({ shape }: Header, needed: number, free: number, total: number): LimnetError {
  return new LimnetError("out_of_memory", `A click on this volume of ${shape.join(" x ")} voxels needs about ${gigabytes(needed)} of memory. `
    + `${gigabytes(free)} are there for it, of ${gigabytes(total)} that the server may use (--memory). Crop or resample the volume, or give the server more.`);
}
