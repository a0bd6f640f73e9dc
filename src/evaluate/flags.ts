/** The options of `limnet evaluate`, and the plan that they make. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { modelsFolder } from "../engine/models.js";
import type { FusionKind, LimnetSettings } from "../engine/protocol.js";
import { CaseError } from "./cases.js";
import type { NocPlan } from "./noc.js";
import type { Plan } from "./run.js";
import { type BaselineName, baselineNames } from "./ways.js";

export const protocolNames = ["A", "B", "C", "D", "E", "F", "drawn"] as const;

export interface Flags {
  images?: string;
  labels?: string;
  index?: string;
  split: string;
  dataset: string[];
  protocol: (typeof protocolNames)[number];
  rounds: number;
  out?: string;
  report?: string;
  masks?: string;
  axis: string;
  fusion?: FusionKind | "all";
  memory: LimnetSettings["memory"];
  directions: Plan["directions"];
  baselines: BaselineName[];
  python: string;
  jitter: number;
  noise: number;
  half: boolean;
  labelValues: Plan["labelValues"];
  limit?: number;
  seed: number;
  models: string;
  model?: string;
  threads?: number;
}

function whole(low: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < low) throw new InvalidArgumentError(`It must be a whole number, ${low} or more.`);
    return value;
  };
}

function between(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !(value >= low && value <= high)) throw new InvalidArgumentError(`It must be a number from ${low} to ${high}.`);
    return value;
  };
}

function labelValues(text: string): Plan["labelValues"] {
  return text === "any" || text === "each" ? text : whole(1)(text);
}

const protocolHelp = "A: one click a round; B: up to five clicks a round; C: A without fusion; D: A with an oracle that knows which mask is better; "
  + "E: clicks on single slices and pictures until they are good (NoC), no propagation; F: A, for the area under its curve; drawn: each round one more slice outlined without error";

/** Adds them to the command. */
export function addFlags(command: Command): Command {
  return command
    .option("--images <folder>", "folder of the scans")
    .option("--labels <folder>", "folder of the labels, same names as the scans; may be the same folder with *_image and *_label files")
    .option("--index <file>", "instead of two folders: an index.json that lists images and labels")
    .option("--split <name>", "with --index: only this split (empty: all)", "val")
    .addOption(new Option("--dataset <name...>", "with --index: only these data sets").default([], "all"))
    .addOption(new Option("--protocol <name>", protocolHelp).choices(protocolNames).default("A"))
    .option("--rounds <number>", "rounds for each object", whole(1), 6)
    .option("--out <file>", "also write everything as JSON")
    .option("--report <folder>", "also write index.html there: tables, curves, pictures of the worst, the median and the best case")
    .option("--masks <folder>", "also write the mask after each round there, as NIfTI, and rounds.json with what they belong to (training/README.md)")
    .option("--axis <name>", "slices across: auto, axial, coronal, sagittal, 0, 1 or 2; other: not the one that auto would take", "auto")
    .addOption(new Option("--fusion <kind>", "what decides between the rounds; all: each in turn (the default)").choices(["network", "none", "oracle", "all"]))
    .addOption(new Option("--memory <kind>", "prompts of earlier rounds stay in memory, or not").choices(["permanent", "literal"]).default("permanent"))
    .addOption(new Option("--directions <which>", "between two prompts: both directions blended, or each half from its nearer prompt alone").choices(["both", "one"]).default("both"))
    .addOption(new Option("--baselines <name...>", "what a user has without limnet, from the same prompts").choices(baselineNames).default([], "none"))
    .option("--python <path>", "for the baseline walker: a Python with numpy and scikit-image", "python3")
    .option("--jitter <pixels>", "clicks may miss their point by so many pixels", between(0, 100), 0)
    .option("--noise <share>", "add noise of this deviation, as a share of the grey window", between(0, 1), 0)
    .option("--half", "halve the resolution of the slices", false)
    .option("--label-values <which>", "any: all labels as one object; each: one object a label; or a label number", labelValues, "any")
    .option("--limit <number>", "only the first cases of every data set", whole(1))
    .option("--seed <number>", "seed of the intervals, of jitter and of noise", whole(0), 1)
    .option("--models <folder>", "folder of the networks", modelsFolder())
    .option("--model <name>", "one of that folder's models (limnet models list)")
    .option("--threads <number>", "threads of the engine", whole(1))
    .addHelpText("after", `
Examples:
  limnet evaluate --images scans --labels outlines --protocol A --rounds 6 --out result.json
  limnet evaluate --index INDEX --protocol drawn --rounds 3 --baselines walker interpolate copy --python .venv/bin/python
  limnet evaluate --index INDEX --protocol E --dataset hc18_fetal_head --out noc.json`);
}

function fusionsOf({ protocol, fusion }: Flags): FusionKind[] {
  const own = ({ C: "none", D: "oracle" } as Partial<Record<Flags["protocol"], FusionKind>>)[protocol];
  if (own !== undefined) {
    if (fusion !== undefined && fusion !== own) throw new CaseError(`Protocol ${protocol} is protocol A with --fusion ${own}: leave --fusion out, or choose A.`);
    return [own];
  }
  return fusion === undefined || fusion === "all" ? ["network", "none", "oracle"] : [fusion];
}

/** What the flags ask for, but for protocol E. Throws CaseError where they contradict each other. */
export function planOf(flags: Flags): Plan {
  const { protocol, rounds, axis, memory, directions, baselines, seed, python, jitter, noise, half } = flags;
  if (protocol === "drawn" && jitter > 0) throw new CaseError("Protocol drawn has no clicks that --jitter could move.");
  return {
    protocol: protocol === "B" || protocol === "drawn" ? protocol : "A", rounds, fusions: fusionsOf(flags), baselines: [...new Set(baselines)], axis,
    labelValues: flags.labelValues, memory, directions, spoil: { jitter, noise, half }, seed, python,
  };
}

/** The plan of protocol E. Throws CaseError for flags that mean nothing there. */
export function nocPlanOf({ axis, labelValues: wanted, jitter, seed, baselines, noise, half, fusion, masks }: Flags): NocPlan {
  const idle = [baselines.length > 0 && "--baselines", noise > 0 && "--noise", half && "--half", masks !== undefined && "--masks", fusion !== undefined && "--fusion", axis === "other" && "--axis other"].filter(Boolean);
  if (idle.length > 0) throw new CaseError(`Protocol E looks at single slices and has no ${idle.join(", ")}.`);
  return { protocol: "E", axis, labelValues: wanted, jitter, seed };
}
