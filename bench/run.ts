/** `npm run bench [-- --out FILE.json]`: the figures of the issue, measured on this machine. Prints; asserts nothing. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { table } from "../src/evaluate/table.js";
import { benchEngine } from "./engine.js";
import { benchSeg } from "./seg.js";
import { benchServer } from "./server.js";
import type { Figure } from "./statistics.js";
import { writeScan } from "./synthetic.js";

function row({ name, value, unit, target, note }: Figure): string[] {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  const goal = target ? `${target.kind === "most" ? "at most" : "at least"} ${target.value} ${unit}` : "";
  const ratio = target ? (value / target.value).toFixed(2) : "";
  return [name, `${value.toFixed(digits)} ${unit}`, goal, ratio, note];
}

const { values } = parseArgs({ options: { out: { type: "string" } } });
const processors = cpus();
const machine = {
  cpu: processors[0]?.model.trim() ?? "unknown", cores: processors.length, memoryMb: Math.round(totalmem() / 1e6),
  node: process.versions.node, platform: `${process.platform}-${process.arch}`, load: loadavg()[0],
};
console.log(`${machine.cpu}, ${machine.cores} cores, ${machine.memoryMb} MB, node ${machine.node}, load before the start ${machine.load.toFixed(2)}`);
if (machine.load > 0.5) console.log("Something else is running on this machine: the figures are worse than they could be.");

const folder = await mkdtemp(join(tmpdir(), "limnet-bench-"));
try {
  const scan = await writeScan(folder, "bench");
  const states = await mkdtemp(join(tmpdir(), "limnet-bench-states-"));
  try {
    const figures = [...await benchEngine(scan, states), ...await benchServer(folder, "bench"), ...benchSeg()];
    console.log(`\n${table(["what", "measured", "target", "ratio", "how"], figures.map(row))}`);
    if (values.out) {
      await mkdir(dirname(resolve(values.out)), { recursive: true });
      await writeFile(values.out, `${JSON.stringify({ created: new Date().toISOString(), machine, figures }, null, 1)}\n`);
    }
  } finally {
    await rm(states, { recursive: true, force: true });
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
