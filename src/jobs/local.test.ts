import { describe, expect, it } from "vitest";
import { LocalQueue } from "./local.js";

/** A job that ends when told. */
function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => { open = resolve; });
  return { open, work: () => opened };
}

describe("LocalQueue", () => {
  it("runs one job at a time, in order, and hands results and errors back", async () => {
    const queue = new LocalQueue();
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
    expect([queue.waiting, queue.running]).toEqual([0, 0]);
  });

  it("lets who has fewer jobs go first", async () => {
    const queue = new LocalQueue();
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
    const queue = new LocalQueue({ maxWaiting: 1 });
    const first = gate();
    const jobs = [queue.run(first.work), queue.run(async () => {})];
    await expect(queue.run(async () => {})).rejects.toMatchObject({ code: "busy", status: 503 });
    first.open();
    await Promise.all(jobs);
  });

  it("drops a waiting job at once when its signal comes, and never runs it", async () => {
    const queue = new LocalQueue();
    const first = gate();
    const running = queue.run(first.work);
    const hangUp = new AbortController();
    let ran = false;
    const waiting = queue.run(async () => { ran = true; }, { signal: hangUp.signal });
    hangUp.abort();
    await expect(waiting).rejects.toMatchObject({ code: "engine_cancelled" });
    expect(queue.waiting).toBe(0);
    first.open();
    await running;
    await queue.close();
    expect(ran).toBe(false);
  });

  it("keeps the place of a running job until it has really stopped", async () => {
    const queue = new LocalQueue();
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
    const queue = new LocalQueue();
    const running = queue.run((signal) => new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new Error("told")))));
    const told = expect(running).rejects.toThrow("told");
    await queue.close();
    await told;
    await expect(queue.run(async () => {})).rejects.toMatchObject({ code: "engine_cancelled" });
  });
});
