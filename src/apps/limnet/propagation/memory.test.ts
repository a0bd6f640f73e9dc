import { describe, expect, it } from "vitest";
import { DoubleNetworks, doubleSettings, naiveRead } from "../../../../test/engine/double.js";
import { openModel } from "../../../engine/models.js";
import { OnnxNetworks } from "../../../engine/onnx.js";
import type { Networks } from "../networks.js";
import { highest, potentiate, survivors } from "./consolidate.js";
import { Memory, type MemorySlice, rowMajor } from "./memory.js";

const hw = 36;
const keyDim = 2;
const valueDim = 3;
const options = { keyDim, valueDim, hw, topK: 30 };
const networks = new DoubleNetworks();

function random(seed: number): () => number {
  let s = seed;
  return () => {
    s = (s * 1103515245 + 12345) % 2147483648;
    return s / 2147483648;
  };
}

function slice(seed: number, n = hw, kd = keyDim, vd = valueDim): MemorySlice {
  const next = random(seed + 1);
  const fill = (length: number, low: number, high: number) => Float32Array.from({ length }, () => low + (high - low) * next());
  return { slice: seed, key: fill(kd * n, -1, 1), shrinkage: fill(n, 1, 3), selection: fill(kd * n, 0, 1), value: fill(n * vd, -1, 1) };
}

/** Reads with a slice's own key and gives what the graph answered as well. */
async function readWith(memory: Memory, query: MemorySlice, base: Networks = networks) {
  let answer: Awaited<ReturnType<Networks["run"]>> = {};
  const spy: Networks = { settings: doubleSettings, run: async (graph, feeds) => {
    answer = await base.run(graph, feeds);
    return answer;
  } };
  const readout = await memory.read(spy, query.key, query.selection);
  return { readout: readout.data as Float32Array, weights: answer.weights.data as Float32Array, answer };
}

describe("memory", () => {
  it("holds 1, 2, … 9 slices, then 5 slices and one more block of prototypes every 25 steps (acceptance a)", async () => {
    const every = 5;
    const memory = new Memory({ ...options, topK: 4 }, [slice(0)]);
    const sizes = new Map<number, [number, number]>();
    const note = (step: number) => sizes.set(step, [(memory.size - memory.longTermSize) / hw, memory.longTermSize]);
    note(0);
    for (let step = 1; step <= 120; step++) {
      if (step % 5 === 1) await readWith(memory, slice(step + 1000));
      if (step % every === 0) memory.append(slice(step));
      note(step);
    }
    for (let n = 0; n <= 8; n++) expect(sizes.get(n * every)).toEqual([n + 1, 0]);
    expect(sizes.get(45)).toEqual([5, 128]);
    expect(sizes.get(70)).toEqual([5, 256]);
    expect(sizes.get(95)).toEqual([5, 384]);
    expect(sizes.get(120)).toEqual([5, 512]);
    expect(memory.temporary.map((entry) => entry.slice)).toEqual([105, 110, 115, 120]);
  });

  it("answers the value of its only element (acceptance b)", async () => {
    const one = { ...options, hw: 1 };
    const memory = new Memory(one, [slice(3, 1)]);
    const { readout } = await readWith(memory, slice(4, 1));
    expect([...readout]).toEqual([...slice(3, 1).value]);
  });

  it("answers the same when every element is stored twice and all are read (acceptance c)", async () => {
    const small = { ...options, hw: 7 };
    const once = new Memory(small, [slice(1, 7), slice(2, 7)]);
    const twice = new Memory(small, [slice(1, 7), slice(2, 7)]);
    twice.append(slice(1, 7));
    twice.append(slice(2, 7));
    const a = (await readWith(once, slice(9, 7))).readout;
    const b = (await readWith(twice, slice(9, 7))).readout;
    for (let i = 0; i < a.length; i++) expect(b[i]).toBeCloseTo(a[i], 5);
  });

  it("weighs each query with a sum of 1 and counts as usage what was read (acceptance d)", async () => {
    const memory = new Memory(options, [slice(1)]);
    memory.append(slice(2));
    const { weights, answer } = await readWith(memory, slice(9));
    const sums = new Float64Array(hw);
    const expected = new Float64Array(hw);
    for (let i = 0; i < weights.length; i++) {
      sums[Math.floor(i / 30)] += weights[i];
      const element = Number(answer.indices.data[i]);
      if (element >= hw) expected[element - hw] += weights[i];
    }
    for (const sum of sums) expect(sum).toBeCloseTo(1, 5);
    const usage = memory.usage();
    for (let i = 0; i < hw; i++) expect(usage[i]).toBeCloseTo(expected[i], 5);
  });

  it("never gives up a permanent element (acceptance e)", async () => {
    const memory = new Memory({ ...options, longTermMax: 300 }, [slice(1), slice(2)]);
    let seen: Float32Array = new Float32Array(0);
    const spy: Networks = { settings: doubleSettings, run: async (_, feeds) => {
      seen = (feeds.mv.data as Float32Array).slice(0, 2 * hw * valueDim);
      return naiveRead(feeds);
    } };
    for (let step = 0; step < 60; step++) {
      await memory.read(spy, slice(step + 500).key, slice(step + 500).selection);
      memory.append(slice(step + 10));
    }
    expect([...seen]).toEqual([...slice(1).value, ...slice(2).value]);
    expect(memory.longTermSize).toBeLessThanOrEqual(300);
  });

  it("reads after appends and consolidation what a list of the same elements would give", async () => {
    const memory = new Memory({ ...options, prototypes: 10 }, [slice(1)]);
    for (let n = 2; n < 20; n++) memory.append(slice(n));
    let feeds: Parameters<Networks["run"]>[1] = {};
    await memory.read({ settings: doubleSettings, run: async (_, given) => {
      feeds = given;
      return naiveRead(given);
    } }, slice(99).key, slice(99).selection);
    const n = memory.size;
    const mk = feeds.mk.data as Float32Array;
    const mv = feeds.mv.data as Float32Array;
    memory.temporary.forEach((entry, i) => {
      const at = n - (memory.temporary.length - i) * hw;
      for (let p = 0; p < hw; p++) {
        for (let c = 0; c < keyDim; c++) expect(mk[c * n + at + p]).toBe(entry.key[c * hw + p]);
        for (let c = 0; c < valueDim; c++) expect(mv[(at + p) * valueDim + c]).toBe(entry.value[p * valueDim + c]);
      }
    });
  });

  it("reads through the real graph as the naive reference does", async () => {
    const real = new OnnxNetworks(await openModel(), { threads: 1 });
    const { keyDim: kd, valueDim: vd, topK } = real.settings.propagation;
    const memory = new Memory({ keyDim: kd, valueDim: vd, hw: 16, topK }, [slice(1, 16, kd, vd), slice(2, 16, kd, vd)]);
    for (let n = 3; n < 13; n++) memory.append(slice(n, 16, kd, vd));
    const query = slice(50, 16, kd, vd);
    const expected = (await readWith(memory, query)).readout;
    const { readout, weights } = await readWith(memory, query, real);
    for (let i = 0; i < expected.length; i++) expect(Math.abs(readout[i] - expected[i])).toBeLessThan(1e-4);
    expect(weights.subarray(0, topK).reduce((a, b) => a + b)).toBeCloseTo(1, 4);
    await real.close();
  });
});

describe("consolidation", () => {
  it("potentiates with the full softmax of equation 11", () => {
    const n = 40;
    const entry = slice(7, n);
    const candidates = { count: n, keyDim, valueDim, keys: rowMajor(entry.key, keyDim), selections: rowMajor(entry.selection, keyDim), shrinkage: entry.shrinkage, values: entry.value };
    const chosen = Int32Array.of(5, 0, 39);
    const made = potentiate(candidates, chosen);
    chosen.forEach((j, at) => {
      const weights = Array.from({ length: n }, (_, i) => {
        let sum = 0;
        for (let c = 0; c < keyDim; c++) sum += entry.selection[c * n + j] * (entry.key[c * n + i] - entry.key[c * n + j]) ** 2;
        return Math.exp((-entry.shrinkage[i] / Math.sqrt(keyDim)) * sum);
      });
      const total = weights.reduce((a, b) => a + b);
      for (let c = 0; c < valueDim; c++) {
        const expected = weights.reduce((sum, w, i) => sum + w * entry.value[i * valueDim + c], 0) / total;
        expect(made.values[at * valueDim + c]).toBeCloseTo(expected, 5);
      }
      expect(made.shrinkage[at]).toBeCloseTo(weights.reduce((sum, w, i) => sum + w * entry.shrinkage[i], 0) / total, 5);
    });
  });

  it("takes the most used first and drops the least used together with those that tie", () => {
    expect([...highest(Float64Array.of(1, 3, 3, 2), 3)]).toEqual([1, 2, 3]);
    expect([...survivors(Float64Array.of(5, 1, 1, 2), 3)]).toEqual([0, 3]);
    expect([...survivors(Float64Array.of(5, 1), 3)]).toEqual([0, 1]);
  });
});
