/** Several servers on one state folder, with a real Redis: whichever is asked, there is one history. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { FakeEngine } from "../../src/apps/limnet/testing.js";
import { silentLog } from "../../src/datastore/log.js";
import { openModel } from "../../src/engine/models.js";
import type { Progress, SegmentJob, SegmentResult } from "../../src/engine/protocol.js";
import type { Shape } from "../../src/imaging/geometry.js";
import { encodeMask } from "../../src/imaging/mask.js";
import { RedisWorker } from "../../src/jobs/redis/worker.js";
import { type Config, loadConfig } from "../../src/server/config.js";
import { codecOf, connect } from "../../src/server/operations/redis.js";
import { type RunningServer, startServer } from "../../src/server/start.js";
import { RedisProcess, until } from "./redis.js";

const shape: Shape = [6, 7, 8];
const [a, b, c] = [[1, 1, 2], [3, 3, 5], [4, 4, 6]];
let redis: RedisProcess;
let folder: string;
let config: Config & { redis: string };
let one: RunningServer;
let two: RunningServer;
let engine: FakeEngine;
const stops: (() => Promise<void>)[] = [];

beforeAll(async () => {
  redis = await RedisProcess.start();
});
afterAll(() => redis.stop());

const settings = (more = {}) => loadConfig({ app: "sample-apps/radiology", studies: folder, port: 0, stopSeconds: 1, ...more }, {});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-nodes-"));
  await encodeMask(new Uint8Array(336), shape, { affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0] }, ".nii.gz", join(folder, "scan.nii.gz"));
  config = { ...settings({ redis: redis.url }), redis: redis.url };
  [one, two] = await Promise.all([startServer(config, silentLog), startServer(config, silentLog)]);
  stops.push(() => one.close(), () => two.close());
  const { digest } = await openModel();
  engine = new FakeEngine(shape);
  engine.model = digest;
  const link = await connect(config, digest, silentLog);
  const worker = new RedisWorker<SegmentJob, SegmentResult, Progress>({ link, codec: codecOf(config), work: (job, run) => engine.segment(job, run) });
  worker.start();
  stops.push(async () => {
    await worker.close(0);
    link.close();
  });
  await until(async () => (await link.client.scard(link.key("workers"))) > 0, "the worker is known");
});
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
  await rm(folder, { recursive: true, force: true });
});

async function click(at: RunningServer, foreground: readonly number[][], { label = "tumour", ...params }: Record<string, unknown> = {}): Promise<{ status: number; limnet: { round: number; undo: number; redo: number } }> {
  const form = new FormData();
  form.append("params", JSON.stringify({ foreground, label, result_extension: ".nii", ...params }));
  const answer = await fetch(`${at.url}/infer/limnet?image=scan&output=json`, { method: "POST", body: form });
  return { status: answer.status, ...((await answer.json()) as { limnet: { round: number; undo: number; redo: number } }) };
}
const own = (at: RunningServer, route: string, method = "POST", label = "tumour") =>
  fetch(`${at.url}/limnet/v1/${route}${route.includes("?") ? "&" : "?"}image=scan&label=${label}&${method === "POST" && !route.startsWith("cancel") ? "output=json" : ""}`, { method });
const journal = async (at: RunningServer, label = "tumour") =>
  (await (await own(at, "journal", "GET", label)).json()) as { entries: { n: number; action: string; note?: string }[]; head: number; steps: number };

describe("two servers on one state folder", () => {
  it("have one history, whichever is asked", async () => {
    expect((await click(one, [a])).limnet).toMatchObject({ round: 1, undo: 1 });
    expect((await click(two, [a, b])).limnet).toMatchObject({ round: 2, undo: 2 });
    expect(engine.jobs).toHaveLength(2);
    expect(await (await own(one, "undo")).json()).toMatchObject({ limnet: { round: 1, redo: 1 } });
    expect(await (await own(two, "redo")).json()).toMatchObject({ limnet: { round: 2, redo: 0 } });
    expect((await click(one, [a, b, c])).limnet).toMatchObject({ round: 3, undo: 3 });
    const [told, same] = [await journal(one), await journal(two)];
    expect(told).toEqual(same);
    expect(told.entries.map(({ n, action }) => [n, action])).toEqual([[1, "infer"], [2, "infer"], [3, "undo"], [4, "redo"], [5, "infer"]]);
  });

  it("lose nothing when both are asked at once, for one object and for many", async () => {
    const labels = ["x", "y", "z"];
    for (let n = 1; n <= 4; n++) {
      const clicks = [a, b, c].slice(0, Math.min(n, 3));
      await Promise.all(labels.flatMap((label) => [one, two].flatMap((at) => [click(at, clicks, { label }), own(at, "undo", "POST", label), own(at, "redo", "POST", label)])));
    }
    for (const label of labels) {
      const { entries } = await journal(one, label);
      expect(entries.map(({ n }) => n)).toEqual(entries.map((_, n) => n + 1));
      expect(entries.filter(({ action }) => action === "repair")).toEqual([]);
      expect(await journal(two, label)).toEqual(await journal(one, label));
      expect((await click(two, [a, b, c], { label })).limnet.round).toBe(3);
    }
  });

  it("tell each other of events, and stop each other's work", async () => {
    const stop = new AbortController();
    let text = "";
    const events = await fetch(`${one.url}/limnet/v1/events?image=scan&label=tumour`, { signal: stop.signal });
    void (async () => {
      for await (const piece of events.body!) text += Buffer.from(piece).toString();
    })().catch(() => {});
    await until(() => text.includes("event: state"), "the stream is open");
    let began = false;
    engine.before = async () => {
      began = true;
    };
    expect((await click(two, [a])).status).toBe(200);
    for (const event of ["queued", "slice", "round"]) await until(() => text.includes(`event: ${event}`), `${event} is told`);
    expect(text).toMatch(/event: slice\ndata: .*"box":/);
    engine.before = () => {
      began = true;
      return sleep(1500);
    };
    began = false;
    const running = click(two, [a, b]);
    await until(() => began, "it runs");
    const { stopped } = (await (await own(one, "cancel")).json()) as { stopped: { action: string; state: string; round: number }[] };
    expect(stopped).toMatchObject([{ action: "infer", state: "running", round: 2 }]);
    expect((await running).status).toBe(499);
    stop.abort();
  });

  it("let a newer click at one take the place of an older one that waits at the other", async () => {
    let open = () => {};
    const opened = new Promise<void>((resolve) => { open = resolve; });
    engine.before = () => opened;
    const running = click(one, [a]);
    await until(() => engine.jobs.length === 1, "the first runs");
    const older = click(two, [a, b]);
    await sleep(300);
    const newer = click(one, [a, c]);
    expect((await older).status).toBe(409);
    open();
    expect([(await running).status, (await newer).status]).toEqual([200, 200]);
  });

  it("keep what is known of labels that are saved at both at once", async () => {
    const label = await readFile(join(folder, "scan.nii.gz"));
    const save = (at: RunningServer, tag: string) => {
      const form = new FormData();
      form.append("label", new Blob([label]), "scan.nii.gz");
      form.append("params", JSON.stringify({ note: tag }));
      return fetch(`${at.url}/datastore/label?image=scan&tag=${tag}`, { method: "PUT", body: form });
    };
    const tags = Array.from({ length: 8 }, (_, n) => `t${n}`);
    for (const answer of await Promise.all(tags.map((tag, n) => save([one, two][n % 2], tag)))) expect(answer.status).toBe(200);
    for (const at of [one, two]) {
      for (const tag of tags) expect(await (await fetch(`${at.url}/datastore/label/info?label=scan&tag=${tag}`)).json()).toMatchObject({ note: tag });
    }
  });

  it("refuse a server without Redis, in words, and are refused by one", async () => {
    await expect(startServer(settings(), silentLog)).rejects.toThrow(/share the state folder .* through Redis.*same --redis/);
    for (const stop of stops.splice(0).reverse()) await stop();
    const alone = await startServer(settings(), silentLog, async () => ({ name: "", description: "", version: "", labels: [], models: new Map(), strategies: new Map(), async start() {}, async close() {} }));
    stops.push(() => alone.close());
    await expect(startServer(config, silentLog)).rejects.toThrow(/shares with nobody .*same --redis/);
  });
});
