/**
 * What the neighbour's mask says of the next slice: its core surely belongs to the object, what is far outside surely does not.
 * From both, geodesic maps grow along the grey values of the next slice, as they grow from clicks.
 * training/limnet_training/maps.py (`neighbour_maps`) is the same arithmetic; a test holds both against one fixture.
 */
import { squaredDistance } from "../../../imaging/distance.js";
import { geodesicFrom } from "../click/geodesic.js";
import { smooth } from "../denoise.js";
import { neighbourMapCount, type NetworkSettings } from "../networks.js";
import { transferred } from "./transfer.js";

/** Core and far outside of a mask, `size` x `size`, 1 inside. */
export function seeds(mask: Uint8Array, size: number): { core: Uint8Array; outside: Uint8Array } {
  const shape = [size, size, 1] as const;
  const inverse = mask.map((m) => 1 - m);
  const inside = squaredDistance(inverse, shape);
  const beyond = squaredDistance(mask, shape);
  let area = 0;
  let top = 0;
  for (let i = 0; i < mask.length; i++) {
    area += mask[i];
    if (inside[i] > top) top = inside[i];
  }
  const far = Math.max(4, 0.6 * Math.sqrt(area / Math.PI));
  const core = top >= 4 ? mask.map((m, i) => (m === 1 && Math.sqrt(inside[i]) >= 0.6 * Math.sqrt(top) ? 1 : 0)) : mask;
  return { core, outside: mask.map((_, i) => (Math.sqrt(beyond[i]) > far ? 1 : 0)) };
}

/**
 * The maps of the decode graph, [`neighbourMapCount`, size, size]: the neighbour's probability, then per geodesic setting the map of its core
 * and of its far outside, then what like patches carry over (transfer.ts); all but the first are zeros where the neighbour has no mask.
 * `image`: the slice to decode, 0..1; `neighbour`: the one before it, `previous` its probabilities, both in the same region.
 */
export function neighbourMaps(
  image: Float32Array, neighbour: Float32Array, previous: Float32Array, size: number, settings: Pick<NetworkSettings, "click" | "propagation">,
): Float32Array {
  const area = size * size;
  const { click: { geodesic }, propagation: { transfer } } = settings;
  const maps = new Float32Array(area * neighbourMapCount(settings));
  maps.set(previous, 0);
  const mask = Uint8Array.from(previous, (p) => (p >= 0.5 ? 1 : 0));
  if (!mask.includes(1)) return maps;
  const { core, outside } = seeds(mask, size);
  const smoothed = smooth(image, size);
  geodesic.forEach((setting, n) => {
    maps.set(geodesicFrom(smoothed, size, core, setting), (1 + 2 * n) * area);
    maps.set(geodesicFrom(smoothed, size, outside, setting), (2 + 2 * n) * area);
  });
  if (transfer !== undefined) maps.set(transferred(smoothed, smooth(neighbour, size), previous, size, transfer), (1 + 2 * geodesic.length) * area);
  return maps;
}
