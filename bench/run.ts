/** `npm run bench [-- --out FILE.json]`: the figures of the issue, measured on this machine. Prints; asserts nothing. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { benchArchive } from "./archive.js";
import { benchDatastore } from "./datastore.js";
import { benchDicom } from "./dicom.js";
import { benchEngine } from "./engine.js";
import { benchJournal } from "./journal.js";
import { benchOverhead } from "./overhead.js";
import { benchSeg } from "./seg.js";
import { benchServer } from "./server.js";
import { printFigures } from "./statistics.js";
import { writeScan } from "./synthetic.js";

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
    const figures = [...await benchEngine(scan, states), ...await benchServer(folder, "bench"), ...await benchJournal(folder, "bench"), ...await benchOverhead(), ...await benchDicom(), ...benchSeg(), ...await benchDatastore(), ...await benchArchive()];
    printFigures(figures);
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
