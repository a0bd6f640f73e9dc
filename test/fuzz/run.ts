/** Feeds inputs to a target and notes what should not be: another answer than yes or no, a wait, memory or files that stay. */
import { readdirSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { seeded } from "../fixtures/imaging/make.js";
import type { Target } from "./targets.js";

/** Longer than this is a hang. */
export const hangMs = 2000;
/** Longer than this is no answer at all: the run ends there. */
const lostMs = 30_000;

export interface Report {
  readonly name: string;
  readonly count: number;
  readonly taken: number;
  readonly refused: number;
  readonly slowest: { readonly input: number; readonly milliseconds: number };
  /** Bytes that are held after the second half of the inputs and were not after the first. */
  readonly growth: number;
  /** Open files likewise. */
  readonly openFiles: number;
  readonly findings: readonly string[];
}

export interface Plan {
  readonly count: number;
  readonly seed: number;
  /** Number of the first input: to see one again. */
  readonly first?: number;
}

/** Input n of a seed is always the same. */
export async function fuzz(target: Target, { count, seed, first = 0 }: Plan, say: (line: string) => void = () => {}): Promise<Report> {
  const findings: string[] = [];
  let [taken, refused] = [0, 0];
  let slowest = { input: -1, milliseconds: 0 };
  let middle = held();
  for (let n = first; n < first + count; n++) {
    const started = performance.now();
    try {
      if ((await answered(target.try(seeded(seed * 1_000_003 + n)))) === "taken") taken++;
      else refused++;
    } catch (error) {
      const finding = `${target.name} input ${n} of seed ${seed}: ${(error as Error).stack ?? String(error)}`;
      say(`FOUND ${finding}`);
      if (findings.length < 20) findings.push(finding);
      if (error instanceof NoAnswer) break;
    }
    const milliseconds = performance.now() - started;
    if (milliseconds > slowest.milliseconds) slowest = { input: n, milliseconds };
    if (n - first === count >> 1) middle = held();
    if ((n - first + 1) % 5000 === 0) say(`${target.name}: ${n - first + 1} inputs, ${taken} taken, ${refused} refused, ${findings.length} findings, slowest ${Math.round(slowest.milliseconds)} ms (input ${slowest.input})`);
  }
  const end = held();
  return { name: target.name, count, taken, refused, slowest, growth: end.bytes - middle.bytes, openFiles: end.files - middle.files, findings };
}

class NoAnswer extends Error {}

async function answered<T>(outcome: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new NoAnswer(`no answer within ${lostMs / 1000} s`)), lostMs);
  });
  try {
    return await Promise.race([outcome, late]);
  } finally {
    clearTimeout(timer);
  }
}

function held(): { bytes: number; files: number } {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return { bytes: heapUsed + external, files: process.platform === "linux" ? readdirSync("/proc/self/fd").length : 0 };
}
