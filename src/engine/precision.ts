/** Which of two twins of a graph is the faster one on this machine. */
import { clickMapCount, neighbourMapCount, type GraphName, type NetworkSettings, type Tensor } from "../apps/limnet/networks.js";

const tensor = (dims: readonly number[]): Tensor => ({ data: new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(0.25), dims });

/** Feeds of the usual size for a graph of the lite layout (networks.ts). The channels of f8 are those of the value graph's memory. */
export function sampleFeeds(graph: GraphName, settings: NetworkSettings): Record<string, Tensor> {
  const { click, propagation } = settings;
  const { sizes: [size], stride, keyDim, valueDim, topK } = propagation;
  const [cells, image] = [size / stride, tensor([1, 1, size, size])];
  const maps = (count: number, side: number) => tensor([1, count, side, side]);
  switch (graph) {
    case "click": return { image: tensor([1, 1, click.size, click.size]), maps: maps(clickMapCount(click), click.size) };
    case "key": return { image };
    case "value": return { image, mask: image, f8: tensor([1, valueDim, cells, cells]) };
    case "decode": return { image, neighbour: image, maps: maps(neighbourMapCount(settings), size), readout: tensor([cells * cells, valueDim]) };
    case "read": return {
      mk: tensor([keyDim, cells * cells]), ms: tensor([1, cells * cells]), mv: tensor([cells * cells, valueDim]), qk: tensor([keyDim, cells * cells]),
      qe: tensor([keyDim, cells * cells]), k: { data: BigInt64Array.of(BigInt(topK)), dims: [1] },
    };
    default: return { pairs: tensor([8, 3, 96, 96]) };
  }
}

const rounds = 5;

/**
 * Median milliseconds of both, run in turns, so that what else the machine does falls on both alike. A tie goes to the first: the second
 * has to be clearly faster, by a tenth.
 */
export async function faster(first: () => Promise<unknown>, second: () => Promise<unknown>): Promise<{ first: number; second: number; secondWins: boolean }> {
  const times: [number[], number[]] = [[], []];
  for (let n = 0; n <= rounds; n++) {
    for (const [which, run] of [first, second].entries()) {
      const start = performance.now();
      await run();
      // The first run of each makes its buffers.
      if (n > 0) times[which].push(performance.now() - start);
    }
  }
  const [a, b] = times.map((list) => list.sort((x, y) => x - y)[Math.floor(rounds / 2)]);
  return { first: a, second: b, secondWins: b < 0.9 * a };
}
