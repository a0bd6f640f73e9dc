/**
 * The long run: `npm run fuzz` (10^5 inputs), `npm run fuzz -- --count 1000 --seed 7 --only json --first 4711`.
 * Ends with 1 where anything was found.
 */
import { parseArgs } from "node:util";
import { fuzz, hangMs } from "./run.js";
import { jsonTarget, multipartTarget, niftiTarget, nrrdTarget } from "./targets.js";

const { values } = parseArgs({ options: {
  count: { type: "string", default: "100000" }, seed: { type: "string", default: "1" }, only: { type: "string" }, first: { type: "string", default: "0" },
} });
const targets = { nifti: niftiTarget, nrrd: nrrdTarget, multipart: multipartTarget, json: jsonTarget };
const chosen = Object.entries(targets).filter(([name]) => values.only === undefined || name === values.only);
let bad = 0;
for (const [, open] of chosen) {
  const target = await open();
  const started = performance.now();
  const report = await fuzz(target, { count: Math.ceil(Number(values.count) / chosen.length), seed: Number(values.seed), first: Number(values.first) }, console.log);
  await target.close();
  const { name, count, taken, refused, slowest, growth, openFiles, findings } = report;
  console.log(`${name}: ${count} inputs in ${Math.round((performance.now() - started) / 1000)} s: ${taken} taken, ${refused} refused, ${findings.length} findings; ` +
    `slowest ${Math.round(slowest.milliseconds)} ms (input ${slowest.input}); growth in the second half ${(growth / 1e6).toFixed(1)} MB, ${openFiles} files`);
  bad += findings.length + Number(slowest.milliseconds > hangMs) + Number(growth > 24e6) + Number(openFiles >= 10);
}
process.exitCode = bad === 0 ? 0 : 1;
