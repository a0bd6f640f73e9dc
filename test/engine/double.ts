/**
 * Networks in plain TypeScript for tests: bright pixels are object where the memory says that bright cells are.
 * `read` is the naive reference of specification 2.5.
 */
import type { GraphName, Networks, NetworkSettings, Tensor } from "../../src/apps/limnet/networks.js";

export const doubleSettings: NetworkSettings = {
  click: {
    size: 32, diskRadius: 3, geodesic: [], zoom: { expansion: 1.6, minSide: 16, keepOverlap: 0.5, first: "whole" },
  },
  propagation: {
    sizes: [32, 64], stride: 8, keyDim: 2, valueDim: 3, memoryEvery: 3, topK: 4, presenceThreshold: 0.5,
    region: { expansion: 1.75, minSide: 32 }, stopAfter: 3,
  },
  quality: { size: 32, expansion: 1.5, minSide: 16, threshold: 0.5 },
};

const tensor = (data: Float32Array | BigInt64Array, dims: number[]): Tensor => ({ data, dims });

/** S of every element with every query, top-k softmax, readout: specification 2.5, element by element in doubles. */
export function naiveRead(feeds: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  const [c, n] = feeds.mk.dims;
  const hw = feeds.qk.dims[1];
  const cv = feeds.mv.dims[1];
  const k = Number(feeds.k.data[0]);
  if (k > n) throw new Error("top-k beyond the memory");
  const [mk, ms, mv, qk, qe] = ["mk", "ms", "mv", "qk", "qe"].map((name) => feeds[name].data as Float32Array);
  const readout = new Float32Array(hw * cv);
  const weights = new Float32Array(hw * k);
  const indices = new BigInt64Array(hw * k);
  for (let j = 0; j < hw; j++) {
    const scores = Array.from({ length: n }, (_, i) => {
      let sum = 0;
      for (let d = 0; d < c; d++) sum += qe[d * hw + j] * (mk[d * n + i] - qk[d * hw + j]) ** 2;
      return (-ms[i] / Math.sqrt(c)) * sum;
    });
    const best = scores.map((_, i) => i).sort((a, b) => scores[b] - scores[a] || a - b).slice(0, k);
    const total = best.reduce((sum, i) => sum + Math.exp(scores[i] - scores[best[0]]), 0);
    best.forEach((i, rank) => {
      const w = Math.exp(scores[i] - scores[best[0]]) / total;
      weights[j * k + rank] = w;
      indices[j * k + rank] = BigInt(i);
      for (let d = 0; d < cv; d++) readout[j * cv + d] += w * mv[i * cv + d];
    });
  }
  return { readout: tensor(readout, [hw, cv]), weights: tensor(weights, [hw, k]), indices: tensor(indices, [hw, k]) };
}

/** Mean of each 8 x 8 cell. */
function cells(map: Float32Array, size: number): Float32Array {
  const side = size / 8;
  const out = new Float32Array(side * side);
  for (let r = 0; r < size; r++) for (let c = 0; c < size; c++) out[(r >> 3) * side + (c >> 3)] += map[r * size + c] / 64;
  return out;
}

export class DoubleNetworks implements Networks {
  readonly settings: NetworkSettings;
  readonly calls: Partial<Record<GraphName, number>> = {};

  constructor(settings: NetworkSettings = doubleSettings) {
    this.settings = settings;
  }

  async run(graph: GraphName, feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>> {
    this.calls[graph] = (this.calls[graph] ?? 0) + 1;
    if (graph === "read") return naiveRead(feeds);
    if (graph === "key") return this.#key(feeds.image);
    if (graph === "value") return this.#value(feeds.mask);
    if (graph === "decode") return this.#decode(feeds);
    throw new Error(`the double has no graph ${graph}`);
  }

  #key(image: Tensor): Record<string, Tensor> {
    const data = image.data as Float32Array;
    const size = image.dims[2];
    const mean = cells(data, size);
    const hw = mean.length;
    const key = new Float32Array(2 * hw);
    key.set(mean);
    const cell = [1, 1, size / 8, size / 8];
    return {
      f8: tensor(mean, cell), key: tensor(key, [1, 2, size / 8, size / 8]),
      shrinkage: tensor(new Float32Array(hw).fill(100), cell), selection: tensor(new Float32Array(2 * hw).fill(1), [1, 2, size / 8, size / 8]),
    };
  }

  #value(mask: Tensor): Record<string, Tensor> {
    const size = mask.dims[2];
    const mean = cells(mask.data as Float32Array, size);
    const value = new Float32Array(3 * mean.length);
    value.set(mean);
    value.fill(1, mean.length, 2 * mean.length);
    return { value: tensor(value, [1, 3, size / 8, size / 8]) };
  }

  #decode({ image: input, readout }: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
    const image = input.data as Float32Array;
    const size = input.dims[2];
    const side = size / 8;
    const probability = new Float32Array(size * size);
    let present = 0;
    for (let r = 0; r < size; r++) {
      for (let c = 0; c < size; c++) {
        const known = (readout.data as Float32Array)[((r >> 3) * side + (c >> 3)) * 3];
        if (image[r * size + c] > 0.5 && known > 0.02) {
          probability[r * size + c] = 0.9;
          present = 1;
        }
      }
    }
    return { probability: tensor(probability, input.dims.slice()), presence: tensor(Float32Array.of(present), [1, 1]) };
  }
}

/** A volume of bright disks on black, one per slice (null: none), as a slice source. */
export function diskSource(rows: number, cols: number, disks: readonly ({ row: number; col: number; radius: number } | null)[]) {
  const planes = disks.map((disk) => {
    const data = new Uint8Array(rows * cols);
    if (disk === null) return data;
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < cols; c++) if ((r - disk.row) ** 2 + (c - disk.col) ** 2 <= disk.radius ** 2) data[r * cols + c] = 200;
    }
    return data;
  });
  return {
    planes,
    source: { count: disks.length, rows, cols, identity: "disks", plane: (index: number) => ({ data: planes[index], rows, cols }) },
    /** The disk itself as a prompt. */
    prompt: (index: number) => Float32Array.from(planes[index], (v) => (v > 0 ? 1 : 0)),
  };
}
