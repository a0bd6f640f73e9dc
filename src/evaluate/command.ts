/** `limnet evaluate`: a robot user clicks through labelled scans, and a table says how well it went. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import { silentLog } from "../datastore/log.js";
import { EngineProcess } from "../engine/client.js";
import { checkPython } from "./baselines/walker.js";
import { type Case, CaseError, casesOfFolders, casesOfIndex } from "./cases.js";
import { addFlags, type Flags, nocPlanOf, planOf } from "./flags.js";
import { choose, draw, MaskFiles, type Picture } from "./gallery.js";
import { quoted } from "./html-page.js";
import { pageOf } from "./html-report.js";
import { runNoc } from "./noc.js";
import { nocDocument, nocPage, nocTable, summariseNoc } from "./noc-report.js";
import { documentOf, type ReportDocument, summarise, tableOf } from "./report.js";
import { RoundMasks } from "./round-masks.js";
import { type Kept, runCases, type TaskResult } from "./run.js";
import { waysOf } from "./ways.js";

/** Adds the command to the program. */
export function evaluateCommand(program: Command): void {
  addFlags(program
    .command("evaluate")
    .description("let a robot user click through labelled scans and report the Dice of every round")).action(evaluate);
}

async function findCases(flags: Flags): Promise<Case[]> {
  if (flags.index && (flags.images || flags.labels)) throw new CaseError("Give either --index or --images and --labels, not both.");
  if (flags.index) return casesOfIndex(flags.index, flags.split, flags.dataset, flags.protocol === "E" ? ["volume", "image"] : ["volume"]);
  if (!flags.images || !flags.labels) throw new CaseError("Which scans? Give --images and --labels, or --index.");
  return casesOfFolders(flags.images, flags.labels);
}

/** The first cases of every data set. */
function firstOfEach(cases: readonly Case[], limit = Infinity): Case[] {
  const seen = new Map<string, number>();
  return cases.filter(({ dataset }) => {
    const count = (seen.get(dataset) ?? 0) + 1;
    seen.set(dataset, count);
    return count <= limit;
  });
}

function lineOf(task: TaskResult): string {
  const scores = Object.entries(task.runs).map(([way, { rounds }]) => `${way} ${rounds.map(({ dice }) => (100 * dice).toFixed(1)).join(" ")}`);
  return `${task.id} (${task.label === "any" ? "object" : `label ${task.label}`}): ${scores.join("; ")}`;
}

/** Draws the chosen cases, one after the other, and writes the page. */
async function writeReport(folder: string, document: ReportDocument, kept: ReadonlyMap<TaskResult, Kept>): Promise<void> {
  const ways = waysOf(document.settings);
  const pictures: Picture[] = [];
  for (const choice of choose(document.tasks, ways[0])) pictures.push(await draw(choice, kept.get(choice.task)!, ways));
  await writeFile(join(folder, "index.html"), pageOf(document, pictures, quoted(["limnet", ...process.argv.slice(2)])));
}

/** Makes the folder of the report before the work: whoever cannot have it should know at once. */
async function reportFolder(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw new CaseError(`The folder ${folder} for the report cannot be made.`, { cause });
  });
  return resolve(folder);
}

async function writeJson(file: string, document: object): Promise<void> {
  await mkdir(dirname(resolve(file)), { recursive: true });
  await writeFile(file, `${JSON.stringify(document, null, 1)}\n`);
}

interface Ready {
  readonly flags: Flags;
  readonly cases: readonly Case[];
  readonly engine: EngineProcess;
  readonly scratch: string;
  readonly report: string | undefined;
}

/** Protocols of volumes. Returns how many objects were measured. */
async function evaluateVolumes({ flags, cases, engine, scratch, report }: Ready): Promise<number> {
  const plan = planOf(flags);
  const pictures = new MaskFiles(scratch);
  const roundMasks = flags.masks === undefined ? undefined : await RoundMasks.in(resolve(flags.masks), flags.index ? resolve(flags.index) : null);
  const kept = new Map<TaskResult, Kept>();
  let done = 0;
  const outcome = await runCases(engine, cases, plan, scratch, (task, files) => {
    if (files) kept.set(task, files);
    console.error(`${++done} of about ${cases.length}: ${lineOf(task)}`);
  }, report === undefined ? undefined : (mask) => pictures.keep(mask), roundMasks);
  for (const { id, reason } of outcome.skipped) console.error(`${id} was skipped: ${reason}`);
  const summary = summarise(outcome.tasks, waysOf(plan), flags.seed);
  console.log(`Protocol ${flags.protocol}, ${flags.rounds} rounds, model ${outcome.model.slice(0, 12)}\n\n${tableOf(summary)}`);
  const document = documentOf(outcome, summary, plan, { threads: flags.threads ?? null });
  if (flags.out) await writeJson(flags.out, document);
  if (report !== undefined) await writeReport(report, document, kept);
  return outcome.tasks.length;
}

/** Protocol E. Returns how many slices were measured. */
async function evaluateSlices({ flags, cases, engine, scratch, report }: Ready): Promise<number> {
  const plan = nocPlanOf(flags);
  let done = 0;
  const outcome = await runNoc(engine, cases, plan, scratch, (item, tasks) => {
    console.error(`${++done} of ${cases.length}: ${item.id}: ${tasks.map(({ ious }) => ious.map((value) => (100 * value).toFixed(0)).join(" ")).join("; ")}`);
  });
  for (const { id, reason } of outcome.skipped) console.error(`${id} was skipped: ${reason}`);
  const summary = summariseNoc(outcome.tasks, flags.seed);
  console.log(`Protocol E, model ${outcome.model.slice(0, 12)}\n\n${nocTable(summary)}`);
  const document = nocDocument(outcome, summary, plan, { threads: flags.threads ?? null });
  if (flags.out) await writeJson(flags.out, document);
  if (report !== undefined) await writeFile(join(report, "index.html"), nocPage(document, quoted(["limnet", ...process.argv.slice(2)])));
  return outcome.tasks.length;
}

async function evaluate(flags: Flags): Promise<void> {
  try {
    const slices = flags.protocol === "E";
    // Contradictions are told before any work.
    void (slices ? nocPlanOf(flags) : planOf(flags));
    if (flags.baselines.includes("walker")) await checkPython(flags.python);
    const cases = firstOfEach(await findCases(flags), flags.limit);
    const report = flags.report === undefined ? undefined : await reportFolder(flags.report);
    const scratch = await mkdtemp(join(tmpdir(), "limnet-evaluate-"));
    const engine = new EngineProcess({ modelsDir: resolve(flags.models), model: flags.model, threads: flags.threads, logger: silentLog });
    try {
      await engine.start();
      const measured = await (slices ? evaluateSlices : evaluateVolumes)({ flags, cases, engine, scratch, report });
      if (measured === 0) process.exitCode = 1;
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
