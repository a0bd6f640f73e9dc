/**
 * `node --import tsx bench/load.ts [--minutes 30] [--users 50] [--think 120] [--only users|workers]`: many users on one server, and two
 * workers against one. Prints how it goes every 15 s, then the figures; asserts nothing. Needs redis-server and taskset (Linux).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once, setMaxListeners } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { limnetCommand, startServerProcess } from "../src/demo/server-process.js";
import { table } from "../src/evaluate/table.js";
import { RedisProcess } from "../test/redis/redis.js";
import { memoryOf } from "./memory.js";
import { type Figure, median, quantile } from "./statistics.js";
import { type Click, user, writeScans } from "./users.js";

const { values } = parseArgs({ options: {
  minutes: { type: "string", default: "30" }, users: { type: "string", default: "50" }, think: { type: "string", default: "120" }, only: { type: "string" },
} });
const minutes = Number(values.minutes);
const app = fileURLToPath(new URL("../sample-apps/radiology", import.meta.url));
const serve = (studies: string, ...more: string[]) =>
  startServerProcess(["--app", app, "--studies", studies, "--port", "0", "--verbose", "ERROR", ...more], { LIMNET_REQUESTS_PER_MINUTE: "0" });

interface Shift {
  /** In front of the names of its users: nobody finds work of an earlier shift. */
  readonly name: string;
  readonly users: number;
  readonly think: number;
  readonly minutes: number;
  /** What else is said of it now and then. */
  readonly note?: () => string;
}

/** Runs users for a while; their clicks. */
async function clicksOf(url: string, images: readonly string[], { name, users, think, minutes: length, note }: Shift): Promise<Click[]> {
  const stop = AbortSignal.timeout(length * 60_000);
  // All users listen to it.
  setMaxListeners(0, stop);
  const clicks: Click[] = [];
  const start = performance.now();
  const say = () => {
    const times = clicks.map(({ milliseconds }) => milliseconds);
    const failed = clicks.filter(({ status }) => status !== 200).length;
    console.log(`${name}: ${Math.round((performance.now() - start) / 1000)} s, ${clicks.length} clicks, ${failed} failed${times.length === 0 ? "" : `, p50 ${Math.round(quantile(times, 0.5))} ms, p95 ${Math.round(quantile(times, 0.95))} ms`}${note?.() ?? ""}`);
  };
  const timer = setInterval(say, 15_000);
  await Promise.all(Array.from({ length: users }, (_, n) =>
    user({ url, image: images[n % images.length], name: `${name} ${n}`, think, signal: stop, onClick: (click) => clicks.push(click) })));
  clearInterval(timer);
  say();
  const failures = new Set(clicks.filter(({ status }) => status !== 200).map(({ status, detail }) => `${status} ${detail}`));
  for (const failure of failures) console.log(`${name}: failed: ${failure}`);
  return clicks;
}

async function manyUsers(folder: string, images: readonly string[]): Promise<Figure[]> {
  const server = await serve(folder);
  try {
    await clicksOf(server.url, images.slice(0, 1), { name: "warm", users: 1, think: 0, minutes: 0.1 });
    const alone = (await clicksOf(server.url, images, { name: "alone", users: 1, think: 0.5, minutes: Math.min(1, minutes) })).map(({ milliseconds }) => milliseconds);
    const info: number[] = [];
    const memory: { own: number; total: number }[] = [];
    const note = () => `, /info/ p99 ${quantile(info, 0.99).toFixed(1)} ms, memory ${Math.round(memory.at(-1)?.total ?? NaN)} MB (server ${Math.round(memory.at(-1)?.own ?? NaN)})`;
    let busy = true;
    const watch = (async () => {
      for (let n = 0; busy; n++) {
        const start = performance.now();
        await (await fetch(`${server.url}/info/`)).arrayBuffer();
        info.push(performance.now() - start);
        if (n % 50 === 0) memory.push(await memoryOf(server.pid));
        await sleep(100);
      }
    })();
    const clicks = await clicksOf(server.url, images, { name: "users", users: Number(values.users), think: Number(values.think), minutes, note });
    busy = false;
    await watch;
    const times = clicks.map(({ milliseconds }) => milliseconds);
    const failed = clicks.filter(({ status }) => status !== 200).length;
    const quarter = (n: number, of: "own" | "total") =>
      median(memory.slice(Math.floor((n * memory.length) / 4), Math.floor(((n + 1) * memory.length) / 4)).map((one) => one[of]));
    const grown = (of: "own" | "total") => `${Math.round(quarter(1, of))} MB, then ${Math.round(quarter(3, of))} MB`;
    const how = `${values.users} users, a click each ${values.think} s after the last answer (mean), ${minutes} min, ${clicks.length} clicks`;
    return [
      { name: "click alone, median", value: median(alone), unit: "ms", note: `one user, ${alone.length} clicks` },
      { name: "clicks that failed", value: failed, unit: "", target: { value: 0, kind: "most" }, note: how },
      { name: "click p50 under load", value: quantile(times, 0.5), unit: "ms", note: how },
      { name: "click p95 under load, of alone", value: quantile(times, 0.95) / median(alone), unit: "x", target: { value: 10, kind: "most" }, note: `p95 ${Math.round(quantile(times, 0.95))} ms` },
      { name: "GET /info/ p99 under load", value: quantile(info, 0.99), unit: "ms", target: { value: 50, kind: "most" }, note: `${info.length} requests` },
      { name: "memory, last quarter of second", value: quarter(3, "total") / quarter(1, "total"), unit: "x", note: `server and engine: ${grown("total")}` },
      { name: "the server alone", value: quarter(3, "own") / quarter(1, "own"), unit: "x", note: grown("own") },
    ];
  } finally {
    await server.close();
  }
}

/** A worker on one core, ready. */
async function worker(core: number, studies: string, redis: string): Promise<ChildProcess> {
  const child = spawn("taskset", ["-c", String(core), process.execPath, limnetCommand, "worker", "--studies", studies, "--redis", redis, "--conf", "threads", "1", "--verbose", "ERROR"],
    { stdio: ["ignore", "pipe", "inherit"] });
  await Promise.race([once(createInterface({ input: child.stdout! }), "line"), once(child, "exit").then(() => { throw new Error("the worker ended"); })]);
  return child;
}

async function roundsPerMinute(folder: string, images: readonly string[], workers: number): Promise<number> {
  const redis = await RedisProcess.start();
  const children: ChildProcess[] = [];
  const server = await serve(folder, "--redis", redis.url).catch(async (error: unknown) => {
    await redis.stop();
    throw error;
  });
  try {
    for (let core = 0; core < workers; core++) children.push(await worker(core, folder, redis.url));
    await sleep(3000);
    const options = { users: 8, think: 0 };
    await clicksOf(server.url, images, { name: `${workers} warm`, ...options, minutes: 0.2 });
    const span = Math.min(minutes, 3);
    return (await clicksOf(server.url, images, { name: `${workers} at work`, ...options, minutes: span })).filter(({ status }) => status === 200).length / span;
  } finally {
    for (const child of children) {
      child.kill("SIGTERM");
      if (child.exitCode === null) await once(child, "exit");
    }
    await server.close();
    await redis.stop();
  }
}

async function twoWorkers(folder: string, images: readonly string[]): Promise<Figure[]> {
  const one = await roundsPerMinute(folder, images, 1);
  const two = await roundsPerMinute(folder, images, 2);
  const note = "8 users without pause, each worker on a core of its own; server and Redis beside them on the same cores";
  return [
    { name: "one worker", value: one, unit: "rounds/min", note },
    { name: "two workers", value: two, unit: "rounds/min", note },
    { name: "two workers of one", value: two / one, unit: "x", target: { value: 1.8, kind: "least" }, note },
  ];
}

const figures: Figure[] = [];
for (const part of [manyUsers, twoWorkers]) {
  if (values.only !== undefined && part !== (values.only === "users" ? manyUsers : twoWorkers)) continue;
  const folder = await mkdtemp(join(tmpdir(), "limnet-load-"));
  try {
    figures.push(...await part(folder, await writeScans(folder, 8)));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
console.log(`\n${table(["what", "measured", "target", "how"], figures.map(({ name, value, unit, target, note }) =>
  [name, `${value.toFixed(value < 10 ? 2 : 0)} ${unit}`, target ? `${target.kind === "most" ? "at most" : "at least"} ${target.value} ${unit}` : "", note]))}`);
