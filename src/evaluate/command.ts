/** `limnet evaluate`: a robot user clicks through labelled scans, and a table says how well it went. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { silentLog } from "../datastore/log.js";
import { EngineProcess } from "../engine/client.js";
import { modelsFolder } from "../engine/models.js";
import type { FusionKind, LimnetSettings } from "../engine/protocol.js";
import { type Case, CaseError, casesOfFolders, casesOfIndex } from "./cases.js";
import { choose, draw, MaskFiles, type Picture } from "./gallery.js";
import { pageOf, quoted } from "./html-report.js";
import type { ProtocolName } from "./protocol.js";
import { documentOf, type ReportDocument, summarise, tableOf } from "./report.js";
import { type Kept, type Plan, runCases, type TaskResult } from "./run.js";

interface Flags {
  images?: string;
  labels?: string;
  index?: string;
  split: string;
  dataset: string[];
  protocol: ProtocolName;
  rounds: number;
  out?: string;
  report?: string;
  axis: string;
  fusion: FusionKind | "all";
  memory: LimnetSettings["memory"];
  labelValues: Plan["labelValues"];
  limit?: number;
  seed: number;
  models: string;
  threads?: number;
}

function whole(low: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < low) throw new InvalidArgumentError(`It must be a whole number, ${low} or more.`);
    return value;
  };
}

function labelValues(text: string): Plan["labelValues"] {
  return text === "any" || text === "each" ? text : whole(1)(text);
}

/** Adds the command to the program. */
export function evaluateCommand(program: Command): void {
  program
    .command("evaluate")
    .description("let a robot user click through labelled scans and report the Dice of every round")
    .option("--images <folder>", "folder of the scans")
    .option("--labels <folder>", "folder of the labels, same names as the scans; may be the same folder with *_image and *_label files")
    .option("--index <file>", "instead of two folders: an index.json that lists images and labels")
    .option("--split <name>", "with --index: only this split (empty: all)", "val")
    .option("--dataset <name...>", "with --index: only these data sets", [])
    .addOption(new Option("--protocol <name>", "A: one click a round; B: up to five clicks a round").choices(["A", "B"]).default("A"))
    .option("--rounds <number>", "rounds for each object", whole(1), 6)
    .option("--out <file>", "also write everything as JSON")
    .option("--report <folder>", "also write index.html there: tables, curves, pictures of the worst, the median and the best case")
    .option("--axis <name>", "slices across: auto, axial, coronal, sagittal, 0, 1 or 2", "auto")
    .addOption(new Option("--fusion <kind>", "what decides between the rounds; all: each in turn").choices(["network", "none", "oracle", "all"]).default("all"))
    .addOption(new Option("--memory <kind>", "prompts of earlier rounds stay in memory, or not").choices(["permanent", "literal"]).default("permanent"))
    .option("--label-values <which>", "any: all labels as one object; each: one object a label; or a label number", labelValues, "any")
    .option("--limit <number>", "only the first cases", whole(1))
    .option("--seed <number>", "seed of the intervals", whole(0), 1)
    .option("--models <folder>", "folder of the networks", modelsFolder())
    .option("--threads <number>", "threads of the engine", whole(1))
    .addHelpText("after", `
Example:
  limnet evaluate --images scans --labels outlines --protocol A --rounds 6 --out result.json`)
    .action(evaluate);
}

async function findCases(flags: Flags): Promise<Case[]> {
  if (flags.index && (flags.images || flags.labels)) throw new CaseError("Give either --index or --images and --labels, not both.");
  if (flags.index) return casesOfIndex(flags.index, flags.split, flags.dataset);
  if (!flags.images || !flags.labels) throw new CaseError("Which scans? Give --images and --labels, or --index.");
  return casesOfFolders(flags.images, flags.labels);
}

function lineOf(task: TaskResult): string {
  const scores = Object.entries(task.runs).map(([fusion, { rounds }]) => `${fusion} ${rounds.map(({ dice }) => (100 * dice).toFixed(1)).join(" ")}`);
  return `${task.id} (${task.label === "any" ? "object" : `label ${task.label}`}): ${scores.join("; ")}`;
}

/** Draws the chosen cases, one after the other, and writes the page. */
async function writeReport(folder: string, document: ReportDocument, kept: ReadonlyMap<TaskResult, Kept>): Promise<void> {
  const { fusions } = document.settings;
  const pictures: Picture[] = [];
  for (const choice of choose(document.tasks, fusions[0])) pictures.push(await draw(choice, kept.get(choice.task)!, fusions));
  await writeFile(join(folder, "index.html"), pageOf(document, pictures, quoted(["limnet", ...process.argv.slice(2)])));
}

/** Makes the folder of the report before the work: whoever cannot have it should know at once. */
async function reportFolder(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw new CaseError(`The folder ${folder} for the report cannot be made.`, { cause });
  });
  return resolve(folder);
}

async function evaluate(flags: Flags): Promise<void> {
  try {
    const cases = (await findCases(flags)).slice(0, flags.limit);
    const fusions: FusionKind[] = flags.fusion === "all" ? ["network", "none", "oracle"] : [flags.fusion];
    const { protocol, rounds, axis, memory, seed } = flags;
    const plan: Plan = { protocol, rounds, fusions, axis, labelValues: flags.labelValues, memory };
    const report = flags.report === undefined ? undefined : await reportFolder(flags.report);
    const scratch = await mkdtemp(join(tmpdir(), "limnet-evaluate-"));
    const engine = new EngineProcess({ modelsDir: resolve(flags.models), threads: flags.threads, logger: silentLog });
    try {
      await engine.start();
      const masks = new MaskFiles(scratch);
      const kept = new Map<TaskResult, Kept>();
      let done = 0;
      const outcome = await runCases(engine, cases, plan, scratch, (task, files) => {
        if (files) kept.set(task, files);
        console.error(`${++done} of about ${cases.length}: ${lineOf(task)}`);
      }, report === undefined ? undefined : (mask) => masks.keep(mask));
      for (const { id, reason } of outcome.skipped) console.error(`${id} was skipped: ${reason}`);
      const summary = summarise(outcome.tasks, fusions, seed);
      console.log(`Protocol ${protocol}, ${rounds} rounds, model ${outcome.model.slice(0, 12)}\n\n${tableOf(summary)}`);
      const document = documentOf(outcome, summary, plan, { seed, threads: flags.threads ?? null });
      if (flags.out) {
        await mkdir(dirname(resolve(flags.out)), { recursive: true });
        await writeFile(flags.out, `${JSON.stringify(document, null, 1)}\n`);
      }
      if (report !== undefined) await writeReport(report, document, kept);
      if (outcome.tasks.length === 0) process.exitCode = 1;
    } finally {
      await engine.close();
      await rm(scratch, { recursive: true, force: true });
    }
  } catch (error) {
    if (!(error instanceof CaseError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
