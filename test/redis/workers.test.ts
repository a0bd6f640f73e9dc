/** A department in small: one server, two workers, a real Redis, real networks; everything a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openModel } from "../../src/engine/models.js";
import { writeNifti } from "../../src/imaging/nifti-write.js";
import { RedisLink } from "../../src/jobs/redis/link.js";
import { liveWorkers, type WorkerState } from "../../src/jobs/redis/messages.js";
import { spaceOf } from "../../src/jobs/redis/space.js";
import { ellipsoid, shape } from "../engine/scans.js";
import { RedisProcess, until } from "./redis.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const [ni, nj, nk] = shape;
const middle = nk / 2 + 3;

interface Program {
  readonly child: ChildProcess;
  /** Lines of standard error. */
  readonly log: string[];
}

let folder: string;
let redis: RedisProcess;
let link: RedisLink;
let server: Program;
let url: string;
const programs: Program[] = [];

/** Starts a command of limnet; resolves with the line on standard output that says it is ready. */
async function limnet(...args: string[]): Promise<Program & { ready: string }> {
  const child = spawn(process.execPath, ["--import", "tsx", join(root, "src", "cli.ts"), ...args], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  const log: string[] = [];
  createInterface({ input: child.stderr! }).on("line", (line) => log.push(line));
  const program = { child, log };
  programs.push(program);
  const [ready] = (await Promise.race([
    once(createInterface({ input: child.stdout! }), "line"),
    once(child, "exit").then(([code]) => { throw new Error(`limnet ${args[0]} ended (${code}): ${log.join("\n")}`); }),
  ])) as [string];
  return { ...program, ready };
}

const startWorker = () => limnet("worker", "--studies", folder, "--redis", redis.url, "--conf", "threads", "1", "--stop-seconds", "5");

async function workers(count: number): Promise<WorkerState[]> {
  await until(async () => (await liveWorkers(link).catch(() => [])).length === count, `${count} workers are there`);
  return liveWorkers(link);
}

/** Clicks on `slices`, one round each. */
async function infer(label: string, slices: readonly number[], signal?: AbortSignal): Promise<Response> {
  const form = new FormData();
  form.append("params", JSON.stringify({ foreground: slices.map((k) => [ni / 2, nj / 2, k]), background: [], label, client_id: label }));
  return fetch(`${url}/infer/limnet?image=scan&output=json`, { method: "POST", body: form, signal });
}

async function allIdle(): Promise<void> {
  await until(async () => (await liveWorkers(link)).every(({ busy }) => busy.length === 0), "the workers are free");
}

/** Call it when all are idle: what it finds is at the request that was sent last. */
async function busyWorker(): Promise<WorkerState> {
  let found: WorkerState | undefined;
  await until(async () => {
    found = (await liveWorkers(link)).find(({ busy }) => busy.includes("round"));
    return found !== undefined;
  }, "a worker is at work");
  return found!;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-redis-"));
  const geometry = { affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0] as const };
  await writeNifti({ voxels: ellipsoid(shape), shape, geometry, slope: 1, intercept: 0 }, join(folder, "scan.nii.gz"), { gzip: true });
  redis = await RedisProcess.start();
  const [started] = await Promise.all([
    limnet("start_server", "--app", "sample-apps/radiology", "--studies", folder, "--port", "0", "--redis", redis.url), startWorker(), startWorker(),
  ]);
  server = started;
  url = /http:\S+/.exec(started.ready)![0];
  link = new RedisLink({ url: redis.url, space: await spaceOf(join(folder, ".limnet"), (await openModel()).digest) });
  await link.start();
  await workers(2);
}, 180_000);

afterAll(async () => {
  link?.close();
  for (const { child } of programs) if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
  await redis?.stop();
  await rm(folder, { recursive: true, force: true });
});

describe("a server with two workers", () => {
  it("answers clicks, and holds no engine itself", async () => {
    const answer = await infer("first", [middle]);
    expect(answer.status).toBe(200);
    expect(((await answer.json()) as { limnet: { round: number } }).limnet.round).toBe(1);
    // The worker says so when it has written the state, after the answer.
    await expect.poll(async () => (await liveWorkers(link)).filter((worker) => worker.warm.length > 0), { timeout: 10_000 }).toHaveLength(1);
  });

  it("gives the job of a worker that is killed in the middle to the other one: the client gets its answer", async () => {
    await allIdle();
    const answer = infer("killed", [middle, middle - 6]);
    const victim = await busyWorker();
    process.kill(victim.pid, "SIGKILL");
    const { status } = await answer;
    expect(status).toBe(200);
    expect((await workers(1))[0].pid).not.toBe(victim.pid);
  }, 240_000);

  it("stops a running job in the worker when the client hangs up", async () => {
    await allIdle();
    const hangUp = new AbortController();
    const gone = infer("hung up", [middle, middle - 6, middle + 6], hangUp.signal).catch((error: Error) => error.name);
    const { pid } = await busyWorker();
    hangUp.abort();
    expect(await gone).toBe("AbortError");
    await allIdle();
    const { log } = programs.find(({ child }) => child.pid === pid)!;
    expect(log.map((line) => JSON.parse(line) as { outcome?: string }).at(-1)?.outcome).toBe("engine_cancelled");
  });

  it("without Redis serves /info/ and the datastore, answers infer with 503, Retry-After and a sentence, and recovers by itself", async () => {
    await redis.stop();
    await until(() => server.log.some((line) => line.includes("Redis cannot be reached")), "the server knows");
    expect((await fetch(`${url}/info/`)).status).toBe(200);
    expect((await fetch(`${url}/datastore/?output=all`)).status).toBe(200);
    const refused = await infer("refused", [middle]);
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(((await refused.json()) as { detail: string }).detail).toMatch(/Redis is down or restarting/);
    await redis.start();
    await workers(1);
    await until(async () => (await infer("refused", [middle])).status === 200, "clicks are answered again");
  }, 240_000);

  it("has no voxels and no names in Redis", async () => {
    const other = await infer("a name", [middle]);
    expect(other.status).toBe(200);
    const { client } = link;
    for (const key of await client.keys("*")) {
      const kind = await client.type(key);
      const text = kind === "string" ? await client.get(key) : kind === "hash" ? JSON.stringify(await client.hgetall(key)) : "";
      expect(text!.length).toBeLessThan(20_000);
      expect(text).not.toContain("a name");
    }
  });

  it("lets a worker that is told to stop finish, and leaves by itself when told", async () => {
    const leaving = programs.filter(({ child }) => child.exitCode === null && child.signalCode === null);
    for (const { child } of leaving) child.kill("SIGTERM");
    for (const { child } of leaving) {
      if (child.exitCode === null) await once(child, "exit");
      expect(child.exitCode).toBe(0);
    }
    expect(await liveWorkers(link)).toEqual([]);
  });
});
