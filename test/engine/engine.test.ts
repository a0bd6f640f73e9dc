import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { EngineProcess } from "../../src/engine/client.js";
import type { Progress, SegmentJob } from "../../src/engine/protocol.js";
import { click, ellipsoid, jobOf, maskOf, modelsDir, reversed, type Scan, settings, shape, stored, writeScan } from "./scans.js";

const [ni, nj, nk] = shape;
const middle = nk / 2;
const centre = click(middle, nj / 2, ni / 2);
let scan: Scan;
let engine: EngineProcess;

beforeAll(async () => {
  scan = await writeScan(ellipsoid(shape));
  engine = new EngineProcess({ modelsDir });
  await engine.start();
});

afterAll(async () => {
  await engine.close();
  await scan.remove();
});

const extra: EngineProcess[] = [];
afterEach(async () => {
  for (const other of extra.splice(0)) await other.close();
});

function another(options: Partial<ConstructorParameters<typeof EngineProcess>[0]> = {}): EngineProcess {
  const made = new EngineProcess({ modelsDir, threads: 1, ...options });
  extra.push(made);
  return made;
}

const running = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  for (let n = 0; n < 200; n++) {
    if (await what()) return;
    await sleep(50);
  }
  throw new Error("it never came about");
}

/** Starts a job and waits until its propagation has given a slice. */
async function propagating(on: EngineProcess, job: SegmentJob, signal?: AbortSignal) {
  const seen: Progress[] = [];
  let started: () => void = () => {};
  const first = new Promise<void>((resolve) => {
    started = resolve;
  });
  const answer = on.segment(job, { signal, onProgress: (progress) => {
    seen.push(progress);
    if (progress.stage === "propagate") started();
  } });
  answer.catch(() => {});
  await first;
  return { answer, seen };
}

/** Enough rounds that the job is still running when a test does something to it. */
const long = () => jobOf(scan, Array.from({ length: 12 }, (_, n) => click(middle - 6 + n, nj / 2, ni / 2)));

describe("engine process", () => {
  it("segments from one click: the clicked voxel is in the mask, slices are reported, the answer names the networks", async () => {
    const seen: Progress[] = [];
    const job = jobOf(scan, [centre], { keepCurrent: true });
    const result = await engine.segment(job, { onProgress: (progress) => seen.push(progress) });
    expect(result.model).toMatch(/^[0-9a-f]{64}$/);
    expect(result.rounds).toHaveLength(1);
    const [round] = result.rounds;
    expect(round.slices).toEqual([{ index: middle, winner: "user", probability: 1 }]);
    const fused = await stored(round.fusedPath);
    expect(fused.length).toBe(ni * nj * nk);
    expect(fused[ni / 2 + ni * (nj / 2 + nj * middle)]).toBeGreaterThanOrEqual(128);
    expect(Buffer.compare(fused, await stored(`${round.fusedPath}.current`))).toBe(0);
    expect([...new Set(seen.map((progress) => progress.stage))]).toEqual(["load", "click", "propagate", "fuse", "write"]);
    const slices = seen.filter((progress) => progress.stage === "propagate");
    expect(slices[0].slice).toBe(middle);
    expect(slices.at(-1)).toMatchObject({ done: nk, total: nk });
  });

  it("gives the same bytes when a job runs again on cached features, and in a fresh process", async () => {
    const rounds = [centre, click(middle + 6, nj / 2, ni / 2 - 3)];
    const first = await engine.segment(jobOf(scan, rounds));
    const second = await engine.segment(jobOf(scan, rounds));
    const uncached = await another({ threads: undefined, cacheBytes: 0 }).segment(jobOf(scan, rounds));
    for (const n of [0, 1]) {
      const expected = await stored(first.rounds[n].fusedPath);
      expect(Buffer.compare(await stored(second.rounds[n].fusedPath), expected)).toBe(0);
      expect(Buffer.compare(await stored(uncached.rounds[n].fusedPath), expected)).toBe(0);
      expect(second.rounds[n].slices).toEqual(first.rounds[n].slices);
    }
  });

  it("takes a slice of the state as it is where a round has no clicks, and runs each half of a gap alone where it is told to", async () => {
    const begun = await engine.segment(jobOf(scan, [centre]));
    const state = { fusedPath: begun.rounds[0].fusedPath, rounds: [centre] };
    const outline = { slice: middle + 8, clicks: [] };
    const blended = await engine.segment(jobOf(scan, [outline], { state, settings: { ...settings, fusion: "none" } }));
    const alone = await engine.segment(jobOf(scan, [outline], { state, settings: { ...settings, fusion: "none", directions: "one" } }));
    const [before, both, one] = await Promise.all([begun.rounds[0], blended.rounds[0], alone.rounds[0]].map(({ fusedPath }) => stored(fusedPath)));
    const plane = (volume: Uint8Array, k: number) => volume.subarray(k * ni * nj, (k + 1) * ni * nj);
    for (const volume of [both, one]) expect(Buffer.compare(plane(volume, middle + 8), plane(before, middle + 8))).toBe(0);
    expect(both.some((v) => v > 127)).toBe(true);
    expect(alone.rounds[0].propagated).toBeLessThan(blended.rounds[0].propagated);
  });

  it("goes on from a state on disk as it would have gone on in one job, also with further clicks on the same slice", async () => {
    const rounds = [centre, click(middle - 8, nj / 2 + 2, ni / 2), click(middle, nj / 2 + 12, ni / 2, false)];
    const whole = await engine.segment(jobOf(scan, rounds));
    const begun = await engine.segment(jobOf(scan, rounds.slice(0, 2)));
    const state = { fusedPath: begun.rounds[1].fusedPath, rounds: rounds.slice(0, 2) };
    const rest = await engine.segment(jobOf(scan, rounds.slice(2), { state }));
    expect(Buffer.compare(await stored(rest.rounds[0].fusedPath), await stored(whole.rounds[2].fusedPath))).toBe(0);
    expect(rest.rounds[0].slices).toEqual(whole.rounds[2].slices);
  });

  it("gives backward what the reversed volume gives forward", async () => {
    const turned = await writeScan(reversed(ellipsoid(shape), shape));
    try {
      const forward = await engine.segment(jobOf(scan, [centre, click(middle + 5, nj / 2, ni / 2)]));
      const backward = await engine.segment(jobOf(turned, [click(nk - 1 - middle, nj / 2, ni / 2), click(nk - 6 - middle, nj / 2, ni / 2)]));
      for (const n of [0, 1]) {
        const expected = await stored(forward.rounds[n].fusedPath);
        // The walker adds up in the other order: a rounding error may cost a stored step, never more.
        const got = reversed(await stored(backward.rounds[n].fusedPath), shape);
        expect(got.reduce((worst, p, i) => Math.max(worst, Math.abs(p - expected[i])), 0)).toBeLessThanOrEqual(1);
      }
    } finally {
      await turned.remove();
    }
  });

  it("touches only the clicked slice when it shall not propagate", async () => {
    const before = await engine.segment(jobOf(scan, [centre]));
    const state = { fusedPath: before.rounds[0].fusedPath, rounds: [centre] };
    const flat = { settings: { ...settings, propagate: false } };
    const alone = await engine.segment(jobOf(scan, [centre], flat));
    const result = await stored(alone.rounds[0].fusedPath);
    expect(maskOf(result)).toBe(maskOf(result.subarray(ni * nj * middle, ni * nj * (middle + 1))));
    const onTop = await stored((await engine.segment(jobOf(scan, [click(middle + 3, nj / 2, ni / 2)], { ...flat, state }))).rounds[0].fusedPath);
    const old = await stored(state.fusedPath);
    onTop.set(old.subarray(ni * nj * (middle + 3), ni * nj * (middle + 4)), ni * nj * (middle + 3));
    expect(Buffer.compare(onTop, old)).toBe(0);
  });

  it("runs an evaluation against the truth, and refuses it without", async () => {
    const fused = { ...settings, fusion: "oracle" } as const;
    const rounds = [centre, click(middle + 6, nj / 2, ni / 2)];
    const { rounds: done } = await engine.segment(jobOf(scan, rounds, { settings: fused, truthPath: scan.volumePath }));
    expect(done).toHaveLength(2);
    await expect(engine.segment(jobOf(scan, rounds, { settings: fused }))).rejects.toMatchObject({ code: "bad_request" });
  });

  it("answers bad jobs with an error of the catalogue that holds no path, and goes on", async () => {
    const bad: [Partial<SegmentJob>, string][] = [
      [{ volumePath: join(scan.folder, "nothing.nii"), volumeDigest: "none" }, "not_found"],
      [{ rounds: [click(nk, 0, 0)] }, "bad_click"],
      [{ rounds: [click(0, nj, 0)] }, "bad_click"],
      [{ outputs: [] }, "bad_request"],
      [{ state: { fusedPath: scan.volumePath, rounds: [] } }, "engine_failed"],
      [{ outputs: [join(scan.folder, "no", "folder.gz")] }, "engine_failed"],
    ];
    for (const [more, code] of bad) {
      const failed: Error & { code?: string } = await engine.segment(jobOf(scan, [centre], more)).then(() => new Error("it worked"), (error) => error);
      expect(failed.code).toBe(code);
      expect(failed.message).not.toContain(scan.folder);
    }
    await expect(engine.segment(jobOf(scan, [centre]))).resolves.toBeDefined();
  });
});

describe("a click while a batch is at work", () => {
  it("goes first after at most one more slice, and changes nothing of what the batch gives", async () => {
    const rounds = [centre, click(middle + 6, nj / 2, ni / 2 - 3), click(middle - 7, nj / 2, ni / 2)];
    const expected = await engine.segment(jobOf(scan, rounds));
    const log: string[] = [];
    let started: () => void = () => {};
    const first = new Promise<void>((resolve) => { started = resolve; });
    const batch = engine.segment(jobOf(scan, rounds), { urgency: "batch", onProgress: ({ stage }) => {
      log.push("batch");
      if (stage === "propagate") started();
    } });
    await first;
    log.push("sent");
    const answer = await engine.segment(jobOf(scan, [centre]), { urgency: "round", onProgress: ({ stage }) => log.push(stage) });
    log.push("answered");
    const done = await batch;
    const between = log.slice(log.indexOf("load"), log.indexOf("answered")).filter((name) => name === "batch");
    expect(between.length).toBeLessThanOrEqual(2);
    expect(log.indexOf("load") - log.indexOf("sent")).toBeLessThanOrEqual(4);
    expect(log.lastIndexOf("batch")).toBeGreaterThan(log.indexOf("answered"));
    expect(maskOf(await stored(answer.rounds[0].fusedPath))).toBeGreaterThan(0);
    for (const n of [0, 1, 2]) {
      expect(Buffer.compare(await stored(done.rounds[n].fusedPath), await stored(expected.rounds[n].fusedPath))).toBe(0);
      expect(done.rounds[n].slices).toEqual(expected.rounds[n].slices);
    }
  });
});

describe("engine process in trouble", () => {
  it("killed in the middle of a propagation: the job fails with a clear error, the next one works", async () => {
    const victim = another();
    const { answer } = await propagating(victim, long());
    const waiting = victim.segment(jobOf(scan, [centre]));
    process.kill((await victim.pid())!, "SIGKILL");
    await expect(answer).rejects.toMatchObject({ code: "engine_died", message: expect.stringContaining("SIGKILL") });
    await expect(waiting).resolves.toBeDefined();
  });

  it("is up again by itself after an idle death", async () => {
    const victim = another();
    await victim.start();
    const pid = (await victim.pid())!;
    process.kill(pid, "SIGKILL");
    await until(async () => ![pid, undefined].includes(await victim.pid()));
  });

  it("cancels within a slice and keeps its process", async () => {
    const abort = new AbortController();
    const { answer, seen } = await propagating(engine, long(), abort.signal);
    const pid = await engine.pid();
    const reported = seen.length;
    abort.abort();
    await expect(answer).rejects.toMatchObject({ code: "engine_cancelled" });
    expect(seen.length - reported).toBeLessThanOrEqual(4);
    expect(await engine.pid()).toBe(pid);
    await expect(engine.segment(jobOf(scan, [centre]))).resolves.toBeDefined();
  });

  it("takes a cancelled job out of the queue without running it", async () => {
    const abort = new AbortController();
    const seen: Progress[] = [];
    const before = engine.segment(jobOf(scan, [centre]));
    const queued = engine.segment(jobOf(scan, [centre]), { signal: abort.signal, onProgress: (progress) => seen.push(progress) });
    abort.abort();
    await expect(queued).rejects.toMatchObject({ code: "engine_cancelled" });
    await expect(engine.segment(jobOf(scan, [centre]), { signal: abort.signal })).rejects.toMatchObject({ code: "engine_cancelled" });
    await before;
    expect(seen).toEqual([]);
  });

  it("is killed when it does not honour a cancel, and when the deadline passes", async () => {
    const stuck = another({ cancelMs: 200 });
    const abort = new AbortController();
    const { answer } = await propagating(stuck, long(), abort.signal);
    const pid = (await stuck.pid())!;
    process.kill(pid, "SIGSTOP");
    abort.abort();
    await expect(answer).rejects.toMatchObject({ code: "engine_cancelled" });
    expect(running(pid)).toBe(false);

    const slow = another({ deadlineMs: 20 });
    await slow.start();
    await expect(slow.segment(long())).rejects.toMatchObject({ code: "engine_timeout" });
  });

  it("ends with close, and everything that waits is told", async () => {
    const closing = another();
    const { answer } = await propagating(closing, long());
    const queued = closing.segment(jobOf(scan, [centre]));
    const pid = (await closing.pid())!;
    const told = Promise.allSettled([answer, queued]);
    await closing.close();
    for (const outcome of await told) expect(outcome).toMatchObject({ status: "rejected", reason: { code: "closing" } });
    expect(running(pid)).toBe(false);
    await expect(closing.segment(jobOf(scan, [centre]))).rejects.toMatchObject({ code: "closing" });
  });

  it("keeps ONNX Runtime out of the parent, and ends when the parent is killed", async () => {
    const script = `
      const { EngineProcess } = await import(${JSON.stringify(new URL("../../src/engine/client.ts", import.meta.url).href)});
      const engine = new EngineProcess({ modelsDir: ${JSON.stringify(modelsDir)}, threads: 1 });
      await engine.start();
      const onnx = process.report.getReport().sharedObjects.filter((name) => name.includes("onnxruntime"));
      console.log(JSON.stringify({ pid: await engine.pid(), onnx }));`;
    const parent = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = (await once(parent.stdout, "data")) as [Buffer];
    const { pid, onnx } = JSON.parse(line.toString()) as { pid: number; onnx: string[] };
    expect(onnx).toEqual([]);
    expect(running(pid)).toBe(true);
    parent.kill("SIGKILL");
    await until(() => !running(pid));
  });

  it("does not start on models that are not there", async () => {
    await expect(another({ modelsDir: scan.folder }).start()).rejects.toMatchObject({ code: "bad_model" });
  });
});
