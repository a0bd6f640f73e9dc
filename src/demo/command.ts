/** `limnet demo`: a robot user works on a real scan through the real protocol, and shows what came of it. */
import { existsSync } from "node:fs";
import { copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type Command, InvalidArgumentError } from "commander";
import { prepare } from "../apps/limnet/prepare.js";
import { type Round, runProtocol, type Task } from "../evaluate/protocol.js";
import { table } from "../evaluate/table.js";
import { chooseAxis } from "../imaging/geometry.js";
import { readVolume } from "../imaging/read.js";
import { contactSheet, type SheetRow, spreadSlices } from "../evaluate/contact-sheet.js";
import { DemoError, getInfo, RestInteract, saveLabel } from "./rest-interact.js";
import { startServerProcess } from "./server-process.js";

interface Flags {
  readonly out: string;
  readonly image: string;
  readonly rounds: number;
  readonly minDice: number;
}

const app = fileURLToPath(new URL("../../sample-apps/radiology", import.meta.url));
const label = "tumour";
const shownRounds = [1, 3, 6];
const spread = 4;

function number(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !(value >= low && value <= high)) throw new InvalidArgumentError(`It must be a number from ${low} to ${high}.`);
    return value;
  };
}

/** Adds the command to the program. */
export function demoCommand(program: Command): void {
  program
    .command("demo")
    .description("start a server on a real scan and let a robot user click six times through the REST protocol")
    .option("--out <folder>", "where the result goes; its studies/ and contact-sheet.png are replaced", "demo-output")
    .option("--image <id>", "scan of sample-apps/radiology/demo-studies, with its outline in demo-truth", "STS_009_MR_T1")
    .option("--rounds <number>", "rounds, one click each", number(1, 50), 6)
    .option("--min-dice <number>", "exit 1 where the Dice of the last round is lower", number(0, 1), 0.3)
    .action(demo);
}

async function demo(flags: Flags): Promise<void> {
  try {
    const dice = await show(flags);
    if (dice < flags.minDice) {
      throw new DemoError(`The Dice after the last round is ${percent(dice)} %, below the ${percent(flags.minDice)} % that the demo expects: something is wrong with the networks or the engine.`);
    }
  } catch (error) {
    if (!(error instanceof DemoError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}

const percent = (share: number) => (100 * share).toFixed(1);

/** A folder with our own copy of the scan: the server writes labels and journals beside it, and the checkout stays clean. */
async function freshStudies(folder: string, image: string): Promise<string> {
  const file = join(app, "demo-studies", `${image}.nii.gz`);
  if (!existsSync(file)) throw new DemoError(`There is no scan ${image} in sample-apps/radiology/demo-studies.`);
  const studies = join(folder, "studies");
  await rm(studies, { recursive: true, force: true });
  await mkdir(studies, { recursive: true });
  await copyFile(file, join(studies, `${image}.nii.gz`));
  return studies;
}

function tableRow({ slice, clicks, dice, kept }: Round, number: number, seconds: number): string[] {
  const signs = clicks.map(({ positive }) => (positive ? "+" : "-")).join("");
  return [String(number), slice === null ? "-" : String(slice), signs, percent(dice), String(kept), seconds.toFixed(1)];
}

/** The rows of the contact sheet: some of the rounds, each with all clicks up to it. */
function sheetRows(rounds: readonly Round[]): SheetRow[] {
  return shownRounds.filter((n) => n <= rounds.length).map((n) => {
    const { slice, dice, mask } = rounds[n - 1];
    const clicked = slice === null ? "nothing left to click" : `click on slice ${slice}`;
    return { caption: `round ${n}: ${clicked}, dice ${percent(dice)} %`, mask, clicks: rounds.slice(0, n).flatMap(({ clicks }) => clicks) };
  });
}

/** Slices spread over the object, and those that were clicked in the rounds shown. */
function sheetSlices({ truth, shape, axis }: Task, rounds: readonly Round[]): number[] {
  const clicked = shownRounds.flatMap((n) => rounds[n - 1]?.slice ?? []);
  return [...new Set([...spreadSlices(truth, shape, axis, spread), ...clicked])].sort((a, b) => a - b);
}

/** Runs the demo. Returns the Dice of the last round. */
async function show({ out, image, rounds }: Flags): Promise<number> {
  const folder = resolve(out);
  const studies = await freshStudies(folder, image);
  const [scan, outline] = await Promise.all([
    readVolume(join(studies, `${image}.nii.gz`)), readVolume(join(app, "demo-truth", `${image}.nii.gz`)),
  ]);
  const { shape, geometry } = scan;
  const task: Task = { shape, axis: chooseAxis(geometry, shape), truth: Uint8Array.from(outline.voxels, (v) => (v ? 1 : 0)) };
  const server = await startServerProcess(["--app", app, "--studies", studies, "--port", "0", "--verbose", "ERROR"]);
  try {
    const { name } = await getInfo(server.url);
    console.log(`${name} at ${server.url} with scan ${image}, ${shape.join(" x ")} voxels. A robot user clicks.\n`);
    const user = new RestInteract({ url: server.url, image, label, axis: task.axis, grid: scan, folder });
    const lines: string[][] = [];
    let start = performance.now();
    const done = await runProtocol(task, user, "A", rounds, {
      onRound: (round, n) => {
        lines.push(tableRow(round, n, (performance.now() - start) / 1000));
        start = performance.now();
      },
    });
    console.log(`${table(["round", "slice clicked", "click", "Dice %", "slices kept", "seconds"], lines)}\n`);
    await saveLabel(server.url, image, user.lastMask, label);
    const sheet = contactSheet({
      title: `limnet demo: ${image}, ${label}`, grey: (await prepare(scan)).grey, ...task, slices: sheetSlices(task, done), rows: sheetRows(done),
    });
    await writeFile(join(folder, "contact-sheet.png"), sheet.png());
    console.log(`The label is in ${join(out, "studies", "labels", "final", `${image}.nii.gz`)}, the contact sheet in ${join(out, "contact-sheet.png")}.`);
    return done[done.length - 1].dice;
  } finally {
    await server.close();
    await rm(join(folder, "mask.nii.gz"), { force: true });
  }
}
