/**
 * The memory of one direction: permanent prompts, long-term prototypes, working slices (specification 2.5-2.7, 2.11).
 *
 * Elements lie in the order [permanent | long-term | working]. Values are kept contiguous as the `read` graph wants them
 * ([N, cv]); keys stay with their slice ([keyDim, hw]) and are packed to [keyDim, N] only after the memory has changed.
 */
import type { Networks, Tensor } from "../networks.js";
import { highest, potentiate, survivors } from "./consolidate.js";
import { Elements } from "./elements.js";

/** One encoded slice. */
export interface MemorySlice {
  /** Index of the slice in the volume. */
  readonly slice: number;
  /** [keyDim, hw] */
  readonly key: Float32Array;
  /** [hw], >= 1 */
  readonly shrinkage: Float32Array;
  /** [keyDim, hw], 0..1 */
  readonly selection: Float32Array;
  /** [hw, valueDim]: row-major per element. */
  readonly value: Float32Array;
}

export interface MemoryOptions {
  readonly keyDim: number;
  readonly valueDim: number;
  /** Elements per slice. */
  readonly hw: number;
  readonly topK: number;
  /** T_min and T_max of the paper, the prompt counted: the temporary part keeps minSlices - 1 … maxSlices - 1 slices. */
  readonly minSlices?: number;
  readonly maxSlices?: number;
  /** P */
  readonly prototypes?: number;
  /** LT_max, elements */
  readonly longTermMax?: number;
}

/** [1, cv, h, w] of the value graph to [hw, cv]. */
export function rowMajor(value: Float32Array, valueDim: number): Float32Array {
  const hw = value.length / valueDim;
  const out = new Float32Array(value.length);
  for (let c = 0; c < valueDim; c++) {
    const from = c * hw;
    for (let p = 0, to = c; p < hw; p++, to += valueDim) out[to] = value[from + p];
  }
  return out;
}

export class Memory {
  readonly #options: Required<MemoryOptions>;
  readonly #permanent: readonly MemorySlice[];
  readonly #permanentSize: number;
  /** Working slices, oldest first. */
  #working: MemorySlice[] = [];
  #longTerm = 0;
  /** [longTerm, keyDim] */
  #longTermKeys = new Float32Array(0);
  readonly #elements: Elements;
  #keys = new Float32Array(0);
  #packed = false;

  constructor(options: MemoryOptions, permanent: readonly MemorySlice[]) {
    this.#options = { minSlices: 5, maxSlices: 10, prototypes: 128, longTermMax: 10_000, ...options };
    this.#permanent = permanent;
    const { hw, valueDim, maxSlices } = this.#options;
    this.#permanentSize = permanent.length * hw;
    this.#elements = new Elements((permanent.length + maxSlices) * hw, valueDim);
    for (const [n, entry] of permanent.entries()) this.#elements.write(n * hw, entry.value, entry.shrinkage);
  }

  /** N: elements that a read sees. */
  get size(): number {
    return this.#permanentSize + this.#longTerm + this.#working.length * this.#options.hw;
  }

  get longTermSize(): number {
    return this.#longTerm;
  }

  /** Slices of the temporary part, oldest first. */
  get temporary(): readonly MemorySlice[] {
    return this.#working;
  }

  /** Normalised usage of the long-term and working elements, in this order. */
  usage(): Float64Array {
    const out = new Float64Array(this.size - this.#permanentSize);
    const { usage, life } = this.#elements;
    for (let i = 0; i < out.length; i++) out[i] = usage[this.#permanentSize + i] / life[this.#permanentSize + i];
    return out;
  }

  /** Adds a slice to the working part; consolidates when it has become maxSlices - 1 long. */
  append(entry: MemorySlice): void {
    this.#elements.write(this.size, entry.value, entry.shrinkage);
    this.#working.push(entry);
    this.#packed = false;
    if (this.#working.length >= this.#options.maxSlices - 1) this.#consolidate();
  }

  /**
   * Anisotropic L2 affinity, top-k softmax, readout (2.5), and the usage that follows from its weights.
   * @param key [keyDim, hw] and @param selection [keyDim, hw] of the query slice.
   * @returns readout [hw, valueDim]
   */
  async read(networks: Networks, key: Float32Array, selection: Float32Array): Promise<Tensor> {
    const { hw, keyDim, valueDim, topK } = this.#options;
    const n = this.size;
    const k = Math.min(topK, n);
    const { readout, weights, indices } = await networks.run("read", {
      mk: { data: this.#pack(), dims: [keyDim, n] },
      ms: { data: this.#elements.shrinkage.subarray(0, n), dims: [1, n] },
      mv: { data: this.#elements.values.subarray(0, n * valueDim), dims: [n, valueDim] },
      qk: { data: key, dims: [keyDim, hw] },
      qe: { data: selection, dims: [keyDim, hw] },
      k: { data: BigInt64Array.of(BigInt(k)), dims: [1] },
    });
    this.#count(weights.data as Float32Array, indices.data as BigInt64Array);
    return readout;
  }

  #count(weights: Float32Array, indices: BigInt64Array): void {
    const { usage, life } = this.#elements;
    // Low words of the 64-bit indices (x86-64 and ARM64 are little-endian): no BigInt per element.
    const low = new Int32Array(indices.buffer, indices.byteOffset, indices.length * 2);
    for (let i = 0; i < weights.length; i++) usage[low[2 * i]] += weights[i];
    const n = this.size;
    for (let i = this.#permanentSize; i < n; i++) life[i]++;
  }

  /** mk [keyDim, N], rebuilt only after a change. */
  #pack(): Float32Array {
    const { hw, keyDim } = this.#options;
    const n = this.size;
    if (!this.#packed) {
      if (this.#keys.length < keyDim * n) this.#keys = new Float32Array(keyDim * this.#elements.capacity);
      const workingAt = this.#permanentSize + this.#longTerm;
      const slices = [
        ...this.#permanent.map((entry, i) => ({ key: entry.key, at: i * hw })),
        ...this.#working.map((entry, i) => ({ key: entry.key, at: workingAt + i * hw })),
      ];
      for (const { key, at } of slices) {
        for (let c = 0; c < keyDim; c++) this.#keys.set(key.subarray(c * hw, (c + 1) * hw), c * n + at);
      }
      for (let c = 0; c < keyDim; c++) {
        const row = c * n + this.#permanentSize;
        for (let i = 0; i < this.#longTerm; i++) this.#keys[row + i] = this.#longTermKeys[i * keyDim + c];
      }
      this.#packed = true;
    }
    return this.#keys.subarray(0, keyDim * n);
  }

  /** 2.7: evict, potentiate all but the newest minSlices - 1 working slices, move them to the long-term part. */
  #consolidate(): void {
    const { hw, keyDim, valueDim, minSlices, prototypes, longTermMax } = this.#options;
    if (this.#longTerm >= longTermMax - prototypes) this.#evict(longTermMax - prototypes);
    const old = this.#working.slice(0, this.#working.length - (minSlices - 1));
    const count = old.length * hw;
    const start = this.#permanentSize + this.#longTerm;
    const keys = new Float32Array(count * keyDim);
    const selections = new Float32Array(count * keyDim);
    for (const [n, entry] of old.entries()) {
      keys.set(rowMajor(entry.key, keyDim), n * hw * keyDim);
      selections.set(rowMajor(entry.selection, keyDim), n * hw * keyDim);
    }
    const shrinkage = this.#elements.shrinkage.subarray(start, start + count);
    const values = this.#elements.values.subarray(start * valueDim, (start + count) * valueDim);
    const scores = this.usage().subarray(this.#longTerm, this.#longTerm + count);
    const made = potentiate(
      { count, keyDim, valueDim, keys, selections, shrinkage, values },
      highest(scores, Math.min(prototypes, count)),
    );
    const p = made.count;
    this.#elements.move(start + count, this.size, start + p);
    this.#elements.write(start, made.values, made.shrinkage);
    const longTermKeys = new Float32Array((this.#longTerm + p) * keyDim);
    longTermKeys.set(this.#longTermKeys);
    longTermKeys.set(made.keys, this.#longTerm * keyDim);
    this.#longTermKeys = longTermKeys;
    this.#longTerm += p;
    this.#working = this.#working.slice(old.length);
  }

  #evict(keep: number): void {
    const { keyDim } = this.#options;
    const alive = survivors(this.usage().subarray(0, this.#longTerm), keep);
    const base = this.#permanentSize;
    const end = this.size;
    for (const [to, from] of alive.entries()) {
      this.#elements.move(base + from, base + from + 1, base + to);
      this.#longTermKeys.copyWithin(to * keyDim, from * keyDim, (from + 1) * keyDim);
    }
    this.#elements.move(base + this.#longTerm, end, base + alive.length);
    this.#longTermKeys = this.#longTermKeys.slice(0, alive.length * keyDim);
    this.#longTerm = alive.length;
  }
}
