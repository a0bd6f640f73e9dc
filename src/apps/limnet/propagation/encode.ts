/** Slices into memory entries: the value graph, and the permanent block of prompts. */
import type { Networks, Tensor } from "../networks.js";
import type { Features, SliceFeatures } from "./features.js";
import { type MemorySlice, rowMajor } from "./memory.js";
import { intoRegion, type StoredPlane } from "./plane.js";
import type { Region } from "./region.js";

/**
 * Encodes a slice with its mask.
 * @param map [size, size] probabilities 0..1 in the region of `features`; `given`: by the user, not decoded.
 */
export async function encodeSlice(
  networks: Networks, slice: number, features: SliceFeatures, map: Float32Array, given = false,
): Promise<MemorySlice> {
  const { layout, valueDim } = networks.settings.propagation;
  if (layout === "xmem") return (await encodeSensory(networks, slice, features, given ? aggregated(map) : map, null)).entry;
  const { image, f8 } = features;
  const { value } = await networks.run("value", { image, mask: { data: map, dims: image.dims }, f8 });
  return entryOf(slice, features, rowMajor(value.data as Float32Array, valueDim));
}

function entryOf(slice: number, { key, shrinkage, selection }: SliceFeatures, value: Float32Array): MemorySlice {
  return { slice, key: key.data as Float32Array, shrinkage: shrinkage.data as Float32Array, selection: selection.data as Float32Array, value };
}

/** Soft aggregation of one object with the background (specification 2.4). A decoded map has been through it in its graph. */
export function aggregated(map: Float32Array): Float32Array {
  return map.map((p) => (p * p) / (p * p + (1 - p) * (1 - p)));
}

/**
 * Layout "xmem": value of a slice, and the deep update of the sensory state that goes with it (specification 2.2).
 * @param map aggregated probabilities. @param h state before; null: zeros.
 */
export async function encodeSensory(
  networks: Networks, slice: number, features: SliceFeatures, map: Float32Array, h: Tensor | null,
): Promise<{ entry: MemorySlice; h: Tensor | null }> {
  const { valueDim, hiddenDim = 0, stride } = networks.settings.propagation;
  const { image, f16 } = features;
  const dims = [1, 1, ...image.dims.slice(2)];
  const side = image.dims[2] / stride;
  const state = hiddenDim === 0 ? null : h ?? { data: new Float32Array(hiddenDim * side * side), dims: [1, hiddenDim, side, side] };
  const { vx, vd } = await networks.run("value_image", { f16 });
  const { value, h_new: after } = await networks.run("value", {
    image, mask: { data: map, dims }, others: { data: new Float32Array(map.length), dims }, vx, vd, ...(state && { h: state }),
  });
  return { entry: entryOf(slice, features, rowMajor(value.data as Float32Array, valueDim)), h: state && after };
}

/** The most prompts that stay in memory; beyond it those farthest from the clicked slice go. */
export const permanentCap = 16;

/** Prompts of the permanent block (2.11), in slice order: non-empty ones, the `permanentCap` nearest to `clicked`. */
export function permanentSlices(prompts: ReadonlyMap<number, StoredPlane>, clicked: number): number[] {
  return [...prompts]
    .filter(([, plane]) => plane !== null)
    .map(([slice]) => slice)
    .sort((a, b) => Math.abs(a - clicked) - Math.abs(b - clicked) || a - b)
    .slice(0, permanentCap)
    .sort((a, b) => a - b);
}

export interface PromptSource {
  readonly networks: Networks;
  readonly features: Features;
  /** Stored maps; null: no object. */
  readonly prompts: ReadonlyMap<number, StoredPlane>;
  readonly clicked: number;
  /** Between slices: waits where something more pressing goes first, throws when the job has been cancelled. */
  check(): Promise<void>;
}

/** Encodes prompts once per region and shares them between all directions. */
export class PermanentBlock {
  readonly #encoded = new Map<string, Promise<MemorySlice[]>>();
  readonly #source: PromptSource;

  constructor(source: PromptSource) {
    this.#source = source;
  }

  in(region: Region): Promise<MemorySlice[]> {
    const name = `${region.row},${region.col},${region.side},${region.size}`;
    const known = this.#encoded.get(name);
    if (known !== undefined) return known;
    const made = this.#encode(region);
    this.#encoded.set(name, made);
    return made;
  }

  /** Prompts whose mask lies outside the region are left out (memory never holds an empty mask), unless all do. */
  async #encode(region: Region): Promise<MemorySlice[]> {
    const { networks, features, prompts, clicked, check } = this.#source;
    const maps = permanentSlices(prompts, clicked)
      .map((slice) => ({ slice, map: intoRegion(prompts.get(slice) ?? null, features.source, region) }));
    const inside = maps.filter(({ map }) => map.some((p) => p >= 0.5));
    const entries: MemorySlice[] = [];
    for (const { slice, map } of inside.length > 0 ? inside : maps) {
      await check();
      entries.push(await encodeSlice(networks, slice, await features.at(slice, region), map, true));
    }
    return entries;
  }
}
