/** What an evaluation found, as numbers and as a plain table. */
import { cpus } from "node:os";
import { bootstrap, type Estimate, mean } from "./bootstrap.js";
import type { Outcome, Plan, RoundScore, Run, TaskResult } from "./run.js";
import { table } from "./table.js";
import type { WayName } from "./ways.js";

export interface RoundSummary {
  readonly dice: Estimate;
  readonly sliceDice: number;
  /** Means over the tasks. */
  readonly beyond: number;
  readonly clicks: number;
  readonly kept: number;
  readonly propagated: number;
  readonly seconds: { readonly click: number; readonly propagate: number; readonly fuse: number };
}

export interface WaySummary {
  readonly rounds: readonly RoundSummary[];
  /** Mean Dice over the rounds: area under the curve. */
  readonly areaUnderCurve: Estimate;
  readonly nsd: number;
  /** Mean over tasks with a mask; null without any. */
  readonly hd95: number | null;
}

export interface Summary {
  readonly tasks: number;
  /** By kind of fusion and baseline. */
  readonly ways: Partial<Record<WayName, WaySummary>>;
  /** Dice with network fusion less Dice without, same tasks, after the last round. */
  readonly gain: Estimate | null;
}

function summariseWay(runs: readonly Run[], groups: readonly string[], seed: number): WaySummary {
  const rounds = runs[0].rounds.map((_, n): RoundSummary => {
    const average = (pick: (round: RoundScore) => number) => mean(runs.map((run) => pick(run.rounds[n])));
    return {
      dice: bootstrap(runs.map((run) => run.rounds[n].dice), seed, groups),
      sliceDice: average((round) => round.sliceDice),
      beyond: average((round) => round.beyond),
      clicks: average((round) => round.clicks.length),
      kept: average((round) => round.kept),
      propagated: average((round) => round.propagated),
      seconds: {
        click: average((round) => round.seconds.click),
        propagate: average((round) => round.seconds.propagate),
        fuse: average((round) => round.seconds.fuse),
      },
    };
  });
  const distances = runs.flatMap(({ surface }) => surface.hd95 ?? []);
  return {
    rounds,
    areaUnderCurve: bootstrap(runs.map((run) => mean(run.rounds.map(({ dice }) => dice))), seed, groups),
    nsd: mean(runs.map(({ surface }) => surface.nsd)),
    hd95: distances.length > 0 ? mean(distances) : null,
  };
}

/** Means and intervals over tasks; the scans of one patient are drawn together. */
export function summarise(tasks: readonly TaskResult[], ways: readonly WayName[], seed: number): Summary {
  const groups = tasks.map(({ group }) => group);
  const last = (task: TaskResult, way: WayName) => task.runs[way]!.rounds.at(-1)!.dice;
  const both = ways.includes("network") && ways.includes("none");
  return {
    tasks: tasks.length,
    ways: tasks.length === 0 ? {} : Object.fromEntries(ways.map((way) =>
      [way, summariseWay(tasks.map((task) => task.runs[way]!), groups, seed)])),
    gain: both && tasks.length > 0 ? bootstrap(tasks.map((task) => last(task, "network") - last(task, "none")), seed, groups) : null,
  };
}

const percent = (value: number) => (100 * value).toFixed(1);
const interval = ({ low, high }: Estimate) => `${percent(low)} to ${percent(high)}`;

/** The table that is printed: a block a way, a line a round. */
export function tableOf({ tasks, ways, gain }: Summary): string {
  const rows = Object.entries(ways).flatMap(([way, { rounds }]) => rounds.map((round, n) => [
    way, String(n + 1), percent(round.dice.mean), interval(round.dice), percent(round.sliceDice), percent(round.beyond), round.clicks.toFixed(1),
    round.kept.toFixed(1), round.seconds.click.toFixed(2), round.seconds.propagate.toFixed(2), round.seconds.fuse.toFixed(2),
  ]));
  const head = ["way", "round", "Dice %", "95 % interval", "slice Dice %", "beyond %", "clicks", "kept", "click s", "propagate s", "fuse s"];
  const surfaces = Object.entries(ways).map(([way, { nsd, hd95, areaUnderCurve }]) =>
    `${way}: area under the curve ${percent(areaUnderCurve.mean)}, NSD at 2 mm ${percent(nsd)}, HD95 ${hd95 === null ? "-" : `${hd95.toFixed(1)} mm`}`);
  const difference = gain ? [`network less none, last round: ${percent(gain.mean)} points (${interval(gain)})`] : [];
  return [table(head, rows), "", `${tasks} tasks`, ...surfaces, ...difference].join("\n");
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly node: string;
  readonly platform: string;
}

/** This one. */
export function machineOf(): Machine {
  const processors = cpus();
  return { cpu: processors[0]?.model.trim() ?? "unknown", cores: processors.length, node: process.versions.node, platform: `${process.platform}-${process.arch}` };
}

export interface ReportDocument {
  readonly version: 1;
  /** ISO time. */
  readonly created: string;
  /** Digest of the networks. */
  readonly model: string;
  readonly settings: Plan & Readonly<Record<string, unknown>>;
  readonly machine: Machine;
  readonly summary: Summary;
  readonly tasks: readonly TaskResult[];
  readonly skipped: Outcome["skipped"];
}

/** The whole document for the JSON file. */
export function documentOf(outcome: Outcome, summary: Summary, plan: Plan, settings: Record<string, unknown>): ReportDocument {
  return {
    version: 1,
    created: new Date().toISOString(),
    model: outcome.model,
    settings: { ...plan, ...settings },
    machine: machineOf(),
    summary,
    tasks: outcome.tasks,
    skipped: outcome.skipped,
  };
}
