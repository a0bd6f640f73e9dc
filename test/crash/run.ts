/** `npm run crash [-- --kills 100 --seed 1]`: kills a real server at random moments of a session; prints what became of it. */
import { parseArgs } from "node:util";
import { quantile } from "../../bench/statistics.js";
import { crash } from "./driver.js";

const { values } = parseArgs({ options: { kills: { type: "string", default: "100" }, seed: { type: "string", default: "1" } } });
const { kills, same, done, undone, between, recovery, losses } = await crash({ kills: Number(values.kills), seed: Number(values.seed), say: console.log });
console.log(`\n${same} kills of ${kills}: identical masks and rounds`);
console.log(`killed during a request: ${done + undone} (${done} of these were on the disk already), after its answer: ${between}`);
console.log(`mask of before, milliseconds after ready: median ${Math.round(quantile(recovery, 0.5))}, most ${Math.round(quantile(recovery, 1))}`);
for (const loss of losses) console.log(`LOST: ${loss}`);
process.exitCode = same === kills ? 0 : 1;
