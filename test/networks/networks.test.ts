/**
 * The whole way of a network: PyTorch, ONNX and this runtime, over 60 slices, in the lite layout and in the paper's own. The fixture holds
 * narrow networks with random weights and what PyTorch makes of them (training/tests/make_networks.py, host_reference.py).
 */
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { runClicks } from "../../src/apps/limnet/click/click.js";
import { writePair } from "../../src/apps/limnet/fusion/pairs.js";
import type { GraphName, Networks, NetworkSettings } from "../../src/apps/limnet/networks.js";
import { FeatureCache, type SliceSource } from "../../src/apps/limnet/propagation/features.js";
import { propagate } from "../../src/apps/limnet/propagation/propagate.js";
import { EngineProcess } from "../../src/engine/client.js";
import { addModel, listModels } from "../../src/engine/library.js";
import { openModel } from "../../src/engine/models.js";
import { OnnxNetworks, type OnnxOptions } from "../../src/engine/onnx.js";
import { click, ellipsoid, jobOf, maskOf, shape, stored, writeScan } from "../engine/scans.js";

const fixture = fileURLToPath(new URL("./fixture", import.meta.url));
const expected = JSON.parse(readFileSync(join(fixture, "expected.json"), "utf8"));
const { side, count, every } = expected as { side: number; count: number; every: number };

/** As make_networks.py draws them: a bright disk that drifts, on a pattern. */
const slices = Array.from({ length: count }, (_, t) => Uint8Array.from({ length: side * side }, (__, i) => {
  const [r, c] = [Math.floor(i / side), i % side];
  const inside = (r - 28 - Math.floor(t / 8)) ** 2 + (c - 36 + Math.floor(t / 6)) ** 2 <= (14 + Math.floor(t / 10)) ** 2;
  return ((r * 7 + c * 13 + t * 29 + Math.floor((r * c) / 8)) % 96) + (inside ? 140 : 10);
}));
const source: SliceSource = { count, rows: side, cols: side, identity: "drift", plane: (index) => ({ data: slices[index], rows: side, cols: side }) };
const prompt = Float32Array.from({ length: side * side }, (_, i) => ((Math.floor(i / side) - 28) ** 2 + ((i % side) - 36) ** 2 <= 18 ** 2 ? 1 : 0));

let models: string;
beforeAll(async () => {
  models = await mkdtemp(join(tmpdir(), "limnet-networks-"));
  await cp(join(fixture, "models"), models, { recursive: true });
});
afterAll(() => rm(models, { recursive: true }));

const open: OnnxNetworks[] = [];
afterEach(async () => {
  for (const networks of open.splice(0)) await networks.close();
});

async function networksOf(name: string, options: OnnxOptions = {}): Promise<OnnxNetworks> {
  const made = new OnnxNetworks(await openModel(models, name), { threads: 1, precision: "fp32", ...options });
  open.push(made);
  return made;
}

/** Largest difference to every 97th value of PyTorch. */
function apart(planes: readonly ArrayLike<number>[], want: readonly number[], scale = 1): number {
  const flat = planes.flatMap((plane) => Array.from(plane));
  return want.reduce((worst, value, n) => Math.max(worst, Math.abs(flat[n * every] / scale - value)), 0);
}

/** Counts runs, and keeps what `decode` answered before it is stored as 8 bit. */
function watched(networks: Networks) {
  const decoded: Float32Array[] = [];
  const runs: Partial<Record<GraphName, number>> = {};
  const watching: Networks = {
    settings: networks.settings,
    async run(graph, feeds) {
      runs[graph] = (runs[graph] ?? 0) + 1;
      const answer = await networks.run(graph, feeds);
      if (graph === "decode") decoded.push(Float32Array.from(answer.probability.data as Float32Array));
      return answer;
    },
  };
  return { watching, decoded, runs };
}

async function carry(name: string) {
  const { watching, decoded, runs } = watched(await networksOf(name));
  const { planes } = await propagate({ networks: watching, source, cache: new FeatureCache(), prompts: new Map([[0, prompt]]), clicked: 0, mode: "permanent" });
  return { planes: planes.slice(1).map((plane) => plane ?? new Uint8Array(side * side)), decoded, runs };
}

describe("60 slices, PyTorch and this runtime", () => {
  it("agree to 1e-4 in the lite layout, long-term memory included", async () => {
    expect(expected.lite.longTerm).toBeGreaterThan(0);
    const { planes, decoded } = await carry("lite");
    expect(decoded).toHaveLength(count - 1);
    expect(apart(decoded, expected.lite.data)).toBeLessThan(1e-4);
    expect(apart(planes, expected.lite.data, 255)).toBeLessThan(0.5 / 255 + 1e-4);
  });

  it("agree to 1e-4 in the layout of XMem: sensory state, deep updates, consolidation", async () => {
    expect(expected.xmem.longTerm).toBeGreaterThan(0);
    await addModel(join(fixture, "xmem"), models, "paper");
    const { planes, decoded, runs } = await carry("paper");
    expect(decoded).toHaveLength(count - 1);
    // The prompt, once for the memory and once for the sensory state, and every fifth slice but the last.
    expect(runs.value).toBe(2 + 11);
    expect(apart(decoded, expected.xmem.data)).toBeLessThan(1e-4);
    expect(apart(planes, expected.xmem.data, 255)).toBeLessThan(0.5 / 255 + 1e-4);
  });

  it("agree on the clicks of an HRNet + OCR network", async () => {
    await addModel(join(fixture, "ritm"), models, "paper");
    const networks = await networksOf("paper");
    expect(networks.settings.click).toMatchObject({ size: side, channels: 3, diskRadius: 5, geodesic: [] });
    expect(networks.settings.propagation.layout).toBe("xmem");
    const seen: Float32Array[] = [];
    // A view is as large as the slice, so that nothing is resampled; the raw answers, before clicked pixels are made to obey.
    const settings: NetworkSettings = { ...networks.settings, click: { ...networks.settings.click, zoom: { ...networks.settings.click.zoom, minSide: side } } };
    let previous: Float32Array | null = null;
    for (const n of [1, 2]) {
      const clicks = (expected.ritm.clicks as [number, number, boolean][]).slice(0, n).map(([row, col, positive]) => ({ row, col, positive }));
      const { watching, answers } = answered(networks, settings);
      await runClicks(watching, source.plane(3), previous && { data: previous, rows: side, cols: side }, clicks.slice(-1), { earlier: clicks.slice(0, -1) });
      seen.push(answers[0]);
      previous = answers[0];
    }
    expect(apart([seen[0]], expected.ritm.data[0])).toBeLessThan(1e-4);
    expect(apart([seen[1]], expected.ritm.data[1])).toBeLessThan(1e-4);
  });
});

describe("a ResNet as quality network", () => {
  const disk = (row: number, radius: number) => ({
    rows: side, cols: side, data: Uint8Array.from({ length: side * side }, (_, i) => ((Math.floor(i / side) - row) ** 2 + ((i % side) - 36) ** 2 <= radius ** 2 ? 255 : 0)),
  });

  it("agrees with PyTorch to 1e-4, in a crop of the whole slice", async () => {
    await addModel(join(fixture, "resnet"), models, "judge");
    const networks = await networksOf("judge");
    expect(networks.settings.quality).toEqual({ size: side, expansion: 1.5, minSide: 32, threshold: 0.5 });
    // As large as the slice, so that nothing is resampled.
    const view = { row: 0, col: 0, side };
    const data = new Float32Array(2 * 3 * side * side);
    writePair(data, 0, source.plane(3), disk(28, 10), disk(30, 16), view, side);
    writePair(data, 3 * side * side, source.plane(40), disk(33, 18), disk(20, 9), view, side);
    const { previous_better: got } = await networks.run("quality", { pairs: { data, dims: [2, 3, side, side] } });
    (expected.resnet as number[]).forEach((want, n) => expect(Math.abs((got.data as Float32Array)[n] - want)).toBeLessThan(1e-4));
  });
});

function answered(networks: Networks, settings: NetworkSettings) {
  const answers: Float32Array[] = [];
  const watching: Networks = {
    settings,
    async run(graph, feeds) {
      const answer = await networks.run(graph, feeds);
      answers.push(Float32Array.from(answer.probability.data as Float32Array));
      return answer;
    },
  };
  return { watching, answers };
}

describe("limnet models", () => {
  it("makes one model of three converted folders, and the engine runs it: two clicks, the second round judged by the converted network", async () => {
    const digests = [];
    for (const part of ["ritm", "xmem", "resnet"]) digests.push(await addModel(join(fixture, part), models, "three"));
    expect(new Set(digests).size).toBe(3);
    const listed = await listModels(models);
    expect(listed.find(({ name }) => name === "three")).toMatchObject({
      digest: digests[2], trouble: "", isDefault: false, description: expect.stringMatching(/^hrnet4s from .*; xmem from .*; resnet18 from /),
    });
    const scan = await writeScan(ellipsoid(shape));
    const engine = new EngineProcess({ modelsDir: models, model: "three", threads: 1 });
    try {
      const { model, rounds } = await engine.segment(jobOf(scan, [click(2, shape[1] / 2, shape[0] / 2), click(5, shape[1] / 2, shape[0] / 2, false)]));
      expect(model).toBe(digests[2]);
      expect(maskOf(await stored(rounds[0].fusedPath))).toBeGreaterThan(0);
      const judged = rounds[1].slices.filter(({ winner }) => winner === "current" || winner === "previous");
      expect(judged.length).toBeGreaterThan(0);
      // At 0.5 the more probable mask wins.
      for (const { probability } of judged) expect(probability).toBeGreaterThanOrEqual(0.5);
    } finally {
      await engine.close();
      await scan.remove();
    }
  });

  it("takes what the folders lack from the default model", async () => {
    await addModel(join(fixture, "ritm"), models, "one");
    const [one, lite] = await Promise.all([openModel(models, "one"), openModel(models, "lite")]);
    expect(one.settings.propagation).toEqual(lite.settings.propagation);
    expect(one.settings.click).not.toEqual(lite.settings.click);
    expect(one.graphs).toEqual(lite.graphs);
  });

  it("refuses a folder that is changed or no converted network, and leaves the manifest as it was", async () => {
    const before = await readFile(join(models, "manifest.json"), "utf8");
    const broken = join(models, "broken");
    await cp(join(fixture, "xmem"), broken, { recursive: true });
    await writeFile(join(broken, "key.onnx"), "other");
    await expect(addModel(broken, models, "x")).rejects.toMatchObject({ code: "bad_model", message: expect.stringContaining("digest") });
    await expect(addModel(models, models, "x")).rejects.toThrow("model.json");
    await expect(addModel(join(fixture, "ritm"), models, "lite")).rejects.toThrow("Choose another name");
    await expect(addModel(join(fixture, "ritm"), models, "../x")).rejects.toThrow("no name of a model");
    expect(await readFile(join(models, "manifest.json"), "utf8")).toBe(before);
  });
});

describe("int8 beside fp32", () => {
  const image = { data: Float32Array.from(slices[3], (v) => v / 255), dims: [1, 1, side, side] };
  const feeds = { image, maps: { data: new Float32Array(9 * side * side).fill(0.3), dims: [1, 9, side, side] } };

  it("is taken where the manifest says that little is lost and it is the faster one here, and the log says which", async () => {
    const notes: string[] = [];
    const networks = await networksOf("lite", { precision: "auto", onNote: (note) => notes.push(note) });
    await networks.warmUp();
    expect(notes).toEqual([expect.stringMatching(/^The graph "click" takes [\d.]+ ms in fp32 and [\d.]+ ms in int8 here: (fp32|int8) is taken\.$/)]);
    expect(notes[0]).toContain(`${networks.precisionOf("click")} is taken`);
  });

  it("gives nearly the same map, from another graph", async () => {
    const run = async (precision: "fp32" | "int8") => {
      const networks = await networksOf("lite", { precision });
      await networks.warmUp();
      expect(networks.precisionOf("click")).toBe(precision);
      return (await networks.run("click", feeds)).probability.data as Float32Array;
    };
    const [plain, small] = [await run("fp32"), await run("int8")];
    const worst = plain.reduce((most, p, i) => Math.max(most, Math.abs(p - small[i])), 0);
    expect(worst).toBeGreaterThan(0);
    expect(worst).toBeLessThan(0.1);
  });

  it("is never taken where it loses 0.3 points or more, and then has no part in the name of the model", async () => {
    const manifest = JSON.parse(await readFile(join(models, "manifest.json"), "utf8"));
    const [lossy, without] = [structuredClone(manifest.models.lite), structuredClone(manifest.models.lite)];
    lossy.graphs.click.int8.loss = 0.3;
    delete without.graphs.click.int8;
    await writeFile(join(models, "manifest.json"), JSON.stringify({ ...manifest, models: { ...manifest.models, lossy, without } }));
    const [first, second, third] = await Promise.all([openModel(models, "lossy"), openModel(models, "without"), openModel(models, "lite")]);
    expect(first.int8).toEqual([]);
    expect(first.digest).toBe(second.digest);
    expect(third.digest).not.toBe(second.digest);
  });
});

describe("the device", () => {
  it("is the CPU where CUDA is asked for and missing; the log says so in a sentence, and the networks run", async () => {
    const log: unknown[] = [];
    const engine = new EngineProcess({ modelsDir: models, model: "lite", threads: 1, device: "cuda", precision: "fp32", logger: { warn: (_, meta) => log.push(meta?.text) } });
    try {
      await engine.start();
      // A machine with a card and its driver has nothing to say.
      const said = log.filter((text) => /^CUDA cannot be used \(.+\); the networks run on the CPU\.$/.test(String(text)));
      expect(said.length).toBeLessThanOrEqual(1);
      const networks = await networksOf("lite", { device: "cuda" });
      await networks.warmUp();
      expect(networks.device).toBe(said.length === 1 ? "cpu" : "cuda");
    } finally {
      await engine.close();
    }
  });

  it("of a request is opened once, and where it is missing the answer comes from the engine's own, said once", async () => {
    const log: unknown[] = [];
    const scan = await writeScan(ellipsoid(shape));
    const engine = new EngineProcess({ modelsDir: models, model: "lite", threads: 1, precision: "fp32", logger: { warn: (_, meta) => log.push(meta?.text) } });
    try {
      await engine.start();
      const rounds = [click(shape[2] / 2, shape[1] / 2, shape[0] / 2)];
      const masks = [];
      for (const device of [undefined, "cuda:7", "cuda:7", "cpu"] as const) masks.push(await stored((await engine.segment(jobOf(scan, rounds, { device }))).rounds[0].fusedPath));
      // A machine with eight cards has nothing to say, one without may differ by rounding.
      const said = log.filter((text) => /^A request asks for the device "cuda:7", .+: such requests run on .+\.$/.test(String(text)));
      expect(said.length).toBeLessThanOrEqual(1);
      if (engine.device === "cpu" && said.length === 1) for (const mask of masks) expect(Buffer.compare(mask, masks[0])).toBe(0);
    } finally {
      await engine.close();
      await scan.remove();
    }
  });

  it("auto says nothing where there is no CUDA", async () => {
    const notes: string[] = [];
    const networks = await networksOf("lite", { device: "auto", onNote: (note) => notes.push(note) });
    await networks.warmUp();
    expect(networks.device === "cpu" ? notes : []).toEqual([]);
  });
});
