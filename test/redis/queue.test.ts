/** The queue on a real Redis, with workers whose jobs are functions: order, turns, warmth, cancel, loss. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { LimnetError } from "../../src/errors.js";
import type { RunOptions } from "../../src/jobs/jobs.js";
import { RedisLink } from "../../src/jobs/redis/link.js";
import type { JobCodec } from "../../src/jobs/redis/messages.js";
import { RedisQueue } from "../../src/jobs/redis/queue.js";
import { RedisWorker } from "../../src/jobs/redis/worker.js";
import { RedisProcess, until } from "./redis.js";

interface Job {
  readonly name: string;
}

let redis: RedisProcess;
let spaces = 0;
const closes: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  redis = await RedisProcess.start();
});
afterEach(async () => {
  for (const close of closes.splice(0).reverse()) await close();
});
afterAll(() => redis.stop());

const codec: JobCodec<Job, string> = { pack: (job) => job, unpack: (data) => data as Job, unpackResult: (data) => data as string };
const times = { lockMs: 1500, stalledMs: 300 };

/** A deployment of its own: servers and workers that meet nobody else. */
function deployment() {
  const space = `test:${++spaces}`;
  const log: string[] = [];
  const link = async () => {
    const made = new RedisLink({ url: redis.url, space });
    await made.start();
    return made;
  };
  return {
    log,
    async server(options: { maxWaiting?: number; warmWaitMs?: number; graceMs?: number } = {}) {
      const queue = new RedisQueue<Job, string>({ link: await link(), codec, times, ...options });
      closes.push(() => queue.close());
      return queue;
    },
    /** A worker that says what it does; `work` decides how long. */
    async worker(name: string, work: (job: Job, options: RunOptions) => Promise<unknown> = async () => {}) {
      const own = await link();
      const worker = new RedisWorker<Job, string>({
        link: own, codec, times,
        work: async (job, options) => {
          log.push(`${name}:${job.name}`);
          await work(job, options);
          return `${job.name} by ${name}`;
        },
      });
      closes.push(async () => {
        await worker.close(0);
        own.close();
      });
      worker.start();
      const server = log;
      await until(async () => (await own.client.scard(own.key("workers"))) > 0, `worker ${name} is known`);
      return { worker, link: own, server };
    },
  };
}

/** Work that waits until it is told, or stopped. */
function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => { open = resolve; });
  const work = (_job: Job, { signal }: RunOptions) => new Promise<void>((resolve, reject) => {
    void opened.then(resolve);
    signal.addEventListener("abort", () => reject(new LimnetError("engine_cancelled", "stopped")));
  });
  return { open: () => open(), work };
}

describe("the queue on Redis", () => {
  it("gives a job to a worker and hands result, progress, place and errors back", async () => {
    const here = deployment();
    await here.worker("w", async ({ name }, { onProgress }) => {
      onProgress?.({ slice: 3 });
      if (name === "bad") throw new LimnetError("bad_click", "outside");
      if (name === "worse") throw new Error("secret path");
    });
    const queue = await here.server();
    const progress: unknown[] = [];
    const places: number[] = [];
    expect(await queue.run({ name: "a" }, { onProgress: (slice) => progress.push(slice), onPlace: (before) => places.push(before) })).toBe("a by w");
    expect(progress).toEqual([{ slice: 3 }]);
    expect(places.at(-1)).toBe(0);
    await expect(queue.run({ name: "bad" })).rejects.toMatchObject({ code: "bad_click", status: 422, message: "outside" });
    await expect(queue.run({ name: "worse" })).rejects.toMatchObject({ code: "engine_failed", message: expect.not.stringContaining("secret") });
    expect([queue.waiting(), queue.running()]).toEqual([0, 0]);
  });

  it("answers 503 with a sentence where no worker is there", async () => {
    const queue = await deployment().server();
    await expect(queue.run({ name: "a" })).rejects.toMatchObject({ code: "queue_gone", status: 503, retryAfter: 10, message: expect.stringContaining("limnet worker") });
  });

  it("lets owners of two servers take turns, clicks pass a batch, and refuses more than may wait", async () => {
    const here = deployment();
    const first = gate();
    await here.worker("w", async (job, options) => (job.name === "first" ? first.work(job, options) : undefined));
    const [one, two] = [await here.server({ maxWaiting: 5 }), await here.server({ maxWaiting: 5 })];
    const jobs: Promise<unknown>[] = [one.run({ name: "first" }, { key: "busy" })];
    await until(() => here.log.length === 1, "the first job began");
    /** Resolves when the job has its place. */
    const give = (queue: typeof one, name: string, key: string) => new Promise<number>((resolve) => {
      jobs.push(queue.run({ name }, { key, onPlace: resolve }));
    });
    await give(one, "busy 2", "busy");
    await give(one, "busy 3", "busy");
    await give(two, "new 1", "new");
    expect(await two.run({ name: "glance" }, { key: "new", urgency: "glance" })).toBe("glance by w");
    await give(two, "a", "a");
    expect(await give(two, "b", "b")).toBe(5);
    await expect(two.run({ name: "one too many" })).rejects.toMatchObject({ code: "busy", status: 503 });
    first.open();
    await Promise.all(jobs);
    expect(here.log[1]).toBe("w:glance");
    expect(here.log.indexOf("w:new 1")).toBeLessThan(here.log.indexOf("w:busy 2"));
    expect(here.log.indexOf("w:b")).toBeLessThan(here.log.indexOf("w:busy 3"));
  });

  it("gives an image to the worker that has it warm while that one is free, else to another after a short wait", async () => {
    const here = deployment();
    const blocked = gate();
    const work = async (job: Job, options: RunOptions) => (job.name === "block" ? blocked.work(job, options) : undefined);
    await here.worker("w1", work);
    const queue = await here.server({ warmWaitMs: 200 });
    await queue.run({ name: "a" }, { about: "image" });
    await here.worker("w2", work);
    await sleep(2500);
    for (let n = 0; n < 5; n++) expect(await queue.run({ name: `b${n}` }, { about: "image" })).toBe(`b${n} by w1`);
    const block = queue.run({ name: "block" }, { about: "image" });
    await until(() => here.log.includes("w1:block"), "w1 is busy");
    expect(await queue.run({ name: "c" }, { about: "image" })).toBe("c by w2");
    blocked.open();
    await block;
  });

  it("cancels a waiting job at once and a running one across processes; a newer job replaces the one that waits", async () => {
    const here = deployment();
    const hold = gate();
    await here.worker("w", hold.work);
    const queue = await here.server();
    const stop = new AbortController();
    const running = queue.run({ name: "running" }, { signal: stop.signal });
    await until(() => queue.running() === 1, "it runs");
    const leave = new AbortController();
    const newer = new AbortController();
    const waiting = queue.run({ name: "waiting" }, { signal: leave.signal });
    const older = queue.run({ name: "older" }, { giveWay: newer.signal });
    await until(() => queue.waiting() === 2, "both wait");
    leave.abort();
    newer.abort(new LimnetError("superseded", "newer"));
    await expect(waiting).rejects.toMatchObject({ code: "engine_cancelled" });
    await expect(older).rejects.toMatchObject({ code: "superseded" });
    stop.abort();
    await expect(running).rejects.toMatchObject({ code: "engine_cancelled" });
    hold.open();
    expect(await queue.run({ name: "next" })).toBe("next by w");
    expect(here.log).toEqual(["w:running", "w:next"]);
  });

  it("has a job that a worker gave back, or took and died over, done by another", async () => {
    const here = deployment();
    const hold = gate();
    const leaving = await here.worker("w1", hold.work);
    const queue = await here.server();
    const job = queue.run({ name: "a" }, { about: "image" });
    await until(() => here.log.includes("w1:a"), "w1 has it");
    await here.worker("w2");
    await leaving.worker.close(0);
    expect(await job).toBe("a by w2");
  });

  it("outlives a short absence of Redis, even one that forgets everything", async () => {
    const here = deployment();
    const hold = gate();
    await here.worker("w", async (job, options) => (job.name === "a" ? hold.work(job, options) : undefined));
    const queue = await here.server({ graceMs: 20_000 });
    const running = queue.run({ name: "a" });
    await until(() => queue.running() === 1, "it runs");
    const waiting = queue.run({ name: "b" });
    await until(() => queue.waiting() === 1, "the other waits");
    await redis.stop();
    await expect(queue.run({ name: "c" })).rejects.toMatchObject({ code: "queue_gone", status: 503, retryAfter: 5 });
    await redis.start();
    hold.open();
    expect(await Promise.all([running, waiting])).toEqual(["a by w", "b by w"]);
    await until(() => queue.check().then(() => true, () => false), "the server is ready again");
    expect(await queue.run({ name: "d" })).toBe("d by w");
  });

  it("answers 503 when Redis stays away, and recovers by itself", async () => {
    const here = deployment();
    const hold = gate();
    await here.worker("w", async (job, options) => (job.name === "a" ? hold.work(job, options) : undefined));
    const queue = await here.server({ graceMs: 300 });
    const running = queue.run({ name: "a" });
    await until(() => queue.running() === 1, "it runs");
    await redis.stop();
    await expect(running).rejects.toMatchObject({ code: "queue_gone" });
    hold.open();
    await redis.start();
    await until(() => queue.check().then(() => true, () => false), "the server is ready again");
    expect(await queue.run({ name: "b" })).toBe("b by w");
  });
});
