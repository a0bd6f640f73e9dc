import { describe, expect, it } from "vitest";
import { LimnetError } from "../errors.js";
import { LocalQueue, type LocalQueueOptions } from "./local.js";

type Job = (signal: AbortSignal) => Promise<unknown>;

/** A queue whose jobs are functions. */
const functions = (options?: LocalQueueOptions) => new LocalQueue<Job, unknown>((job, { signal }) => job(signal), options);

/** A job that ends when told. */
function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => { open = resolve; });
  return { open, work: () => opened };
}

describe("LocalQueue", () => {
  it("runs one job at a time, in order, and hands results and errors back", async () => {
    const queue = functions();
    const log: string[] = [];
    const job = (name: string) => queue.run(async () => {
      log.push(`${name}+`);
      await new Promise((resolve) => setTimeout(resolve, 5));
      log.push(`${name}-`);
      return name;
    });
    expect(await Promise.all([job("a"), job("b")])).toEqual(["a", "b"]);
    expect(log).toEqual(["a+", "a-", "b+", "b-"]);
    await expect(queue.run(async () => { throw new Error("no"); })).rejects.toThrow("no");
    expect([queue.waiting(), queue.running()]).toEqual([0, 0]);
  });

  it("lets who has fewer jobs go first", async () => {
    const queue = functions();
    const first = gate();
    const order: string[] = [];
    const jobs = [queue.run(first.work, { key: "busy" })];
    for (const [key, name] of [["busy", "busy 2"], ["busy", "busy 3"], ["new", "new 1"]]) {
      jobs.push(queue.run(async () => { order.push(name); }, { key }));
    }
    first.open();
    await Promise.all(jobs);
    expect(order).toEqual(["new 1", "busy 2", "busy 3"]);
  });

  it("refuses more than may wait", async () => {
    const queue = functions({ maxWaiting: 1 });
    const first = gate();
    const jobs = [queue.run(first.work), queue.run(async () => {})];
    await expect(queue.run(async () => {})).rejects.toMatchObject({ code: "busy", status: 503 });
    first.open();
    await Promise.all(jobs);
  });

  it("drops a waiting job at once when its signal comes, and never runs it", async () => {
    const queue = functions();
    const first = gate();
    const running = queue.run(first.work);
    const hangUp = new AbortController();
    let ran = false;
    const waiting = queue.run(async () => { ran = true; }, { signal: hangUp.signal });
    hangUp.abort();
    await expect(waiting).rejects.toMatchObject({ code: "engine_cancelled" });
    expect(queue.waiting()).toBe(0);
    first.open();
    await running;
    await queue.close();
    expect(ran).toBe(false);
  });

  it("keeps the place of a running job until it has really stopped", async () => {
    const queue = functions();
    const hangUp = new AbortController();
    const stopped = gate();
    const order: string[] = [];
    const running = queue.run(async (signal) => {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      await stopped.work();
      order.push("stopped");
    }, { signal: hangUp.signal });
    const next = queue.run(async () => { order.push("next"); });
    hangUp.abort();
    setTimeout(stopped.open, 10);
    await Promise.all([running, next]);
    expect(order).toEqual(["stopped", "next"]);
  });

  it("tells running jobs at close, and takes no more", async () => {
    const queue = functions();
    const running = queue.run((signal) => new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new Error("told")))));
    const told = expect(running).rejects.toThrow("told");
    await queue.close();
    await told;
    await expect(queue.run(async () => {})).rejects.toMatchObject({ code: "closing", status: 503, retryAfter: 5 });
  });

  it("lets ten owners take turns, however many jobs each of them has, and starves nobody", async () => {
    const queue = functions();
    const first = gate();
    const served: string[] = [];
    const jobs: Promise<unknown>[] = [queue.run(first.work, { key: "u0" })];
    // A job of each owner comes back as soon as it is done; owner 0 has five waiting from the start.
    const again = async (key: string, left: number): Promise<void> => {
      if (left === 0) return;
      await queue.run(async () => { served.push(key); }, { key });
      await again(key, left - 1);
    };
    for (let n = 0; n < 5; n++) jobs.push(again("u0", 1));
    for (let u = 1; u < 10; u++) jobs.push(again(`u${u}`, 5));
    first.open();
    await Promise.all(jobs);
    for (let n = 0; n < 5; n++) expect(new Set(served.slice(n * 10, n * 10 + 10)).size).toBe(10);
  });

  it("lets a click begin while a batch is at work, and a batch wait for nobody's click but its own lane", async () => {
    const queue = functions();
    const batch = gate();
    const long = queue.run(batch.work, { urgency: "batch" });
    const next = queue.run(async () => "next", { urgency: "batch" });
    await expect(queue.run(async () => "round", { urgency: "round" })).resolves.toBe("round");
    await expect(queue.run(async () => "glance", { urgency: "glance" })).resolves.toBe("glance");
    expect([queue.running("batch"), queue.waiting("batch")]).toEqual([1, 1]);
    batch.open();
    await Promise.all([long, next]);
  });

  it("drops a job for a newer one while it waits, with the reason, and lets it go on once it has begun", async () => {
    const queue = functions();
    const first = gate();
    const newer = new AbortController();
    const running = queue.run(first.work, { giveWay: newer.signal });
    const waiting = queue.run(async () => {}, { giveWay: newer.signal });
    newer.abort(new LimnetError("superseded", "newer"));
    await expect(waiting).rejects.toMatchObject({ code: "superseded", status: 409 });
    await expect(queue.run(async () => {}, { giveWay: newer.signal })).rejects.toMatchObject({ code: "superseded" });
    first.open();
    await running;
    await queue.run(async () => {}, { giveWay: newer.signal });
  });

  it("tells its place, and an observer how long jobs waited and worked", async () => {
    const seen: unknown[] = [];
    const places: number[] = [];
    const queue = functions({ observer: { finished: ({ urgency, outcome }) => seen.push([urgency, outcome]) } });
    const first = gate();
    const jobs = [queue.run(first.work), queue.run(async () => {}), queue.run(async () => { throw new LimnetError("bad_click", "x"); }, { onPlace: (before) => places.push(before) })];
    first.open();
    await Promise.allSettled(jobs);
    expect(places).toEqual([2, 0]);
    expect(seen).toEqual([["round", "done"], ["round", "done"], ["round", "bad_click"]]);
  });
});
