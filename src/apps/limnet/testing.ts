/** Stand-ins for tests: networks made of small functions. */
import type { GraphName, Networks, NetworkSettings, Tensor } from "./networks.js";

export const testSettings: NetworkSettings = {
  click: {
    size: 32, diskRadius: 3, geodesic: [{ weight: 10, scale: 8 }, { weight: 40, scale: 8 }],
    zoom: { expansion: 1.5, minSide: 16, keepOverlap: 0.5, first: "whole" },
  },
  propagation: {
    sizes: [32], stride: 8, keyDim: 64, valueDim: 16, memoryEvery: 5, topK: 30, presenceThreshold: 0.5,
    region: { expansion: 1.75, minSide: 32 }, stopAfter: 3,
  },
  quality: { size: 16, expansion: 1.5, minSide: 8 },
};

export type Graph = (feeds: Readonly<Record<string, Tensor>>) => Record<string, Tensor>;

/** Networks out of functions; remembers what each call was fed. Settings of `click.zoom` may be replaced. */
export function fakeNetworks(graphs: Partial<Record<GraphName, Graph>>, zoom: Partial<NetworkSettings["click"]["zoom"]> = {}) {
  const calls: { graph: GraphName; feeds: Readonly<Record<string, Tensor>> }[] = [];
  const click = { ...testSettings.click, zoom: { ...testSettings.click.zoom, ...zoom } };
  const networks: Networks = {
    settings: { ...testSettings, click },
    async run(graph, feeds) {
      calls.push({ graph, feeds });
      const run = graphs[graph];
      if (!run) throw new Error(`no ${graph} in this test`);
      return run(feeds);
    },
  };
  return { networks, calls };
}
