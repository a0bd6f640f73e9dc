import { readFile, rm, truncate, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LimnetError } from "../../errors.js";
import { parseClicks } from "./rounds/clicks.js";
import { orderClicks } from "./rounds/plan.js";
import { TestBench, testShape } from "./testing-app.js";

let bench: TestBench;
beforeEach(async () => {
  bench = await TestBench.make();
});
afterEach(() => bench.close());
const ask: TestBench["ask"] = (...args) => bench.ask(...args);

const [a, c] = [[1, 1, 2], [3, 3, 5]];

describe("what is kept on disk", () => {
  test("a last line cut short is dropped, and the next line is whole again", async () => {
    await ask({ foreground: [a] });
    await ask({ foreground: [a, c] });
    const { journal } = await bench.stateFiles();
    const text = await readFile(journal, "utf8");
    // The last line says that the state is written, too.
    await truncate(journal, text.trimEnd().lastIndexOf("\n") - 7);
    const again = await ask({ foreground: [a, c] }, { to: bench.reopen() });
    expect(bench.engine.jobs.at(-1)!.state.rounds).toHaveLength(1);
    expect(again.own.round).toBe(2);
    const lines = (await readFile(journal, "utf8")).trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line).action)).toEqual(["infer", "repair", "infer", "round"]);
  });

  test("a result that is missing or damaged is computed again", async () => {
    const { mask } = await ask({ foreground: [a, c] });
    const files = async () => {
      const { states, masks } = await bench.stateFiles();
      return [...states, ...masks];
    };
    for (const file of await files()) await writeFile(file, "no gzip");
    expect((await ask({ foreground: [a, c] })).mask).toEqual(mask);
    expect(bench.engine.jobs).toHaveLength(4);
    for (const file of await files()) await rm(file);
    expect((await ask({ foreground: [a, c] })).mask).toEqual(mask);
    expect(bench.engine.jobs).toHaveLength(6);
  });

  test("either file of a round is enough for its mask; the next round computes the state again where that is the one that is gone", async () => {
    const { mask } = await ask({ foreground: [a, c] });
    for (const file of (await bench.stateFiles()).masks) await writeFile(file, "no gzip");
    expect((await ask({ foreground: [a, c] })).mask).toEqual(mask);
    expect(bench.engine.jobs).toHaveLength(2);
    const two = await ask({ foreground: [a, c, [0, 0, 7]] });
    for (const file of (await bench.stateFiles()).states) await rm(file);
    expect((await ask({ foreground: [a, c, [0, 0, 7]] })).mask).toEqual(two.mask);
    expect(bench.engine.jobs).toHaveLength(3);
    await ask({ foreground: [a, c, [0, 0, 7], [1, 1, 1]] });
    expect(bench.engine.jobs.slice(3).map((job) => job.state.rounds.length)).toEqual([0, 1, 2, 3]);
  });

  test("results of other networks are computed again, known beforehand or not", async () => {
    await ask({ foreground: [a] });
    bench.engine.model = "model-2";
    await ask({ foreground: [a] }, { to: bench.reopen({ modelDigest: "model-2" }) });
    expect(bench.engine.jobs).toHaveLength(2);
    bench.engine.model = "model-3";
    const { own } = await ask({ foreground: [a, c] });
    expect(bench.engine.jobs.slice(2).map((job) => job.state.rounds.length)).toEqual([1, 0, 1]);
    expect(own).toMatchObject({ model: "model-3", rounds: [{ run: true }, { run: true }] });
  });

  test("a request of several rounds that is cut short goes on after the last finished one", async () => {
    await ask({ foreground: [a] });
    bench.engine.failures.push(null, new LimnetError("engine_timeout", "Too slow."));
    await expect(ask({ background: [a], foreground: [c, [0, 0, 7]] })).rejects.toMatchObject({ code: "engine_timeout" });
    expect((await ask({ foreground: [a] })).own.rounds).toMatchObject([{ slice: 2, run: false }]);
    const { own, mask } = await ask({ background: [a], foreground: [c, [0, 0, 7]] }, { to: bench.reopen() });
    expect(own.rounds.map(({ run }) => run)).toEqual([false, true, true]);
    expect((await ask({ background: [a], foreground: [c, [0, 0, 7]] }, { user: "v" })).mask).toEqual(mask);
  });

  test("a failure leaves the journal as it was", async () => {
    await ask({ foreground: [a] });
    const { journal, states } = await bench.stateFiles();
    const before = await readFile(journal, "utf8");
    bench.engine.failures.push(new LimnetError("out_of_memory", "Too large."));
    await expect(ask({ foreground: [a, c] })).rejects.toMatchObject({ code: "out_of_memory" });
    await expect(ask({ foreground: [a, [9, 9, 9]] })).rejects.toMatchObject({ code: "bad_click" });
    expect(await readFile(journal, "utf8")).toBe(before);
    expect((await bench.stateFiles()).states).toEqual(states);
    expect((await ask({ foreground: [a, c] })).own.round).toBe(2);
  });
});

describe("an answer that does not wait for its state", () => {
  /** The state of the second round is not written before `write` is called. */
  async function unwritten() {
    await ask({ foreground: [a] });
    let write = () => {};
    const held = new Promise<void>((resolve) => {
      write = resolve;
    });
    bench.engine.after = () => held;
    const answer = await ask({ foreground: [a, c] }, { early: true });
    bench.engine.after = async () => {};
    return { answer, write };
  }
  const lines = async () => (await readFile((await bench.stateFiles()).journal, "utf8")).trimEnd().split("\n").map((line) => JSON.parse(line));

  test("holds what the journal and the mask on the disk say; the state follows, with a line of its own", async () => {
    const { answer, write } = await unwritten();
    expect((await bench.stateFiles()).states).toHaveLength(1);
    expect(await lines()).toMatchObject([{ action: "infer" }, { action: "infer", ran: [{ digest: "" }] }]);
    const { masks } = await bench.stateFiles();
    expect(masks).toHaveLength(2);
    write();
    await bench.app.idle();
    const [, { ran: [{ key }] }, last] = await lines();
    expect(last).toMatchObject({ action: "round", ran: [], wrote: [{ key, digest: expect.stringMatching(/^[0-9a-f]{64}$/) }] });
    const next = await ask({ foreground: [a, c, [0, 0, 7]] });
    expect(bench.engine.jobs).toHaveLength(3);
    expect(next.own.round).toBe(3);
    expect((await ask({ foreground: [a, c] }, { to: bench.reopen() })).mask).toEqual(answer.mask);
  });

  test("is the same after a crash before the state is there, and the next round computes that state again", async () => {
    const { answer, write } = await unwritten();
    const after = bench.reopen();
    const { mask, own } = await ask({ foreground: [a, c] }, { to: after });
    expect([mask, own.rounds.at(-1)!.run]).toEqual([answer.mask, false]);
    expect(bench.engine.jobs).toHaveLength(2);
    const next = await ask({ foreground: [a, c, [0, 0, 7]] }, { to: after });
    expect(bench.engine.jobs.slice(2).map((job) => job.state.rounds.length)).toEqual([1, 2]);
    expect((await ask({ foreground: [a, c, [0, 0, 7]] }, { user: "v", to: after })).mask).toEqual(next.mask);
    write();
  });

  test("keeps the next request for the object waiting until the state is there", async () => {
    const { write } = await unwritten();
    const next = ask({ foreground: [a, c, [0, 0, 7]] });
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(bench.engine.jobs).toHaveLength(2);
    write();
    expect((await next).own.round).toBe(3);
    expect(bench.engine.jobs.map((job) => job.state.rounds.length)).toEqual([0, 1, 2]);
  });

  test("stays true where the state cannot be written", async () => {
    await ask({ foreground: [a] });
    bench.engine.after = async () => {
      throw new LimnetError("disk_full", "The disk is full.");
    };
    const { mask } = await ask({ foreground: [a, c] });
    bench.engine.after = async () => {};
    expect((await ask({ foreground: [a, c] })).mask).toEqual(mask);
    expect(bench.engine.jobs).toHaveLength(2);
    await ask({ foreground: [a, c, [0, 0, 7]] });
    expect(bench.engine.jobs.slice(2).map((job) => job.state.rounds.length)).toEqual([1, 2]);
  });
});

describe("the engine", () => {
  const died = () => new LimnetError("engine_died", "The engine died.");

  test("that died once is asked once more", async () => {
    bench.engine.failures.push(died());
    expect((await ask({ foreground: [a] })).own.round).toBe(1);
    expect(bench.engine.jobs).toHaveLength(2);
  });

  test("that died twice fails the request, and the next click works", async () => {
    bench.engine.failures.push(died(), died());
    await expect(ask({ foreground: [a] })).rejects.toMatchObject({ code: "engine_died", status: 503 });
    expect((await ask({ foreground: [a] })).own.round).toBe(1);
  });

  test("is not asked for a request that was given up while it waited", async () => {
    const stop = new AbortController();
    bench.engine.before = async () => stop.abort();
    const first = ask({ foreground: [a] });
    const second = ask({ foreground: [a, c] }, { signal: stop.signal });
    await expect(second).rejects.toMatchObject({ code: "engine_cancelled" });
    await first;
    expect(bench.engine.jobs).toHaveLength(1);
  });
});

describe("whatever happens between", () => {
  test.each([1, 2, 3, 4])("seed %d: the mask is that of clicking the same clicks one by one", async (seed) => {
    let state = seed;
    const random = (n: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * n);
    };
    const all = Array.from({ length: 8 }, (_, n) => ({ voxel: [n % 6, random(7), 2 + random(3)] as const, positive: random(3) > 0 }));
    const listsOf = (clicks: readonly (typeof all)[number][]) => ({
      foreground: clicks.filter(({ positive }) => positive).map(({ voxel }) => voxel),
      background: clicks.filter(({ positive }) => !positive).map(({ voxel }) => voxel),
    });
    let history: ReturnType<typeof orderClicks> = [];
    for (let step = 0; step < 8; step++) {
      const params = listsOf(all.filter(() => random(10) < 7));
      history = orderClicks(history, parseClicks(params.foreground, params.background, testShape));
      const { mask } = await ask(params, { to: random(3) === 0 ? bench.reopen() : undefined });
      if (random(4) === 0) await bench.stateFiles().then(({ states }) => (states.length > 0 ? rm(states[random(states.length)]) : undefined));
      let alone = (await ask({}, { user: `alone ${step}` })).mask;
      for (let n = 1; n <= history.length; n++) {
        alone = (await ask(listsOf(history.slice(0, n) as typeof all), { user: `alone ${step}` })).mask;
      }
      expect(mask).toEqual(alone);
    }
  });
});
