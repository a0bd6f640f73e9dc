/**
 * What a direction hands on from slice to slice beside its memory, by layout. Lite: the neighbour's mask and image. XMem: the
 * sensory state (specification 2.3, 2.6).
 */
import type { Networks, Tensor } from "../networks.js";
import { aggregated, encodeSensory, encodeSlice } from "./encode.js";
import type { SliceFeatures } from "./features.js";
import type { MemorySlice } from "./memory.js";
import { neighbourMaps } from "./seeds.js";

export interface Decoded {
  /** [size, size], 0..1; zeros where the object is not in the slice. */
  readonly map: Float32Array;
  readonly absent: boolean;
}

export interface Carrier {
  /** Begins, or begins again, at a slice whose map is known. `given`: by the user, not decoded. */
  begin(slice: number, features: SliceFeatures, map: Float32Array, given: boolean): Promise<void>;
  decode(now: SliceFeatures, readout: Tensor): Promise<Decoded>;
  /** The slice just decoded is handed on. */
  hand(now: SliceFeatures, map: Float32Array): void;
  /** The same for a slice that becomes memory as well. */
  remember(slice: number, now: SliceFeatures, map: Float32Array): Promise<MemorySlice>;
}

class LiteCarrier implements Carrier {
  #features!: SliceFeatures;
  #map!: Float32Array;

  constructor(private readonly networks: Networks) {}

  async begin(_slice: number, features: SliceFeatures, map: Float32Array): Promise<void> {
    this.hand(features, map);
  }

  async decode({ image }: SliceFeatures, readout: Tensor): Promise<Decoded> {
    const { settings } = this.networks;
    const size = image.dims[2];
    const before = this.#features.image;
    const maps = neighbourMaps(image.data as Float32Array, before.data as Float32Array, this.#map, size, settings);
    const { probability, presence } = await this.networks.run("decode", {
      image, neighbour: before, maps: { data: maps, dims: [1, maps.length / size ** 2, size, size] }, readout,
    });
    const absent = Number(presence.data[0]) < settings.propagation.presenceThreshold;
    return { map: absent ? new Float32Array(size ** 2) : (probability.data as Float32Array), absent };
  }

  hand(now: SliceFeatures, map: Float32Array): void {
    this.#features = now;
    this.#map = map;
  }

  remember(slice: number, now: SliceFeatures, map: Float32Array): Promise<MemorySlice> {
    this.hand(now, map);
    return encodeSlice(this.networks, slice, now, map);
  }
}

class SensoryCarrier implements Carrier {
  /** Null: no sensory state in this network. */
  #h: Tensor | null = null;
  /** Of the slice just decoded: the normal update, dropped where the deep one takes its place. */
  #next: Tensor | null = null;

  constructor(private readonly networks: Networks) {}

  async begin(slice: number, features: SliceFeatures, map: Float32Array, given: boolean): Promise<void> {
    this.#h = (await encodeSensory(this.networks, slice, features, given ? aggregated(map) : map, null)).h;
  }

  async decode({ skip8, skip4, cx, dx, image }: SliceFeatures, readout: Tensor): Promise<Decoded> {
    const { probability, h_new: next } = await this.networks.run("decode", { skip8, skip4, cx, dx, readout, ...(this.#h && { h: this.#h }) });
    this.#next = next ?? null;
    const map = probability.data as Float32Array;
    const absent = !map.some((p) => p >= 0.5);
    return { map: absent ? new Float32Array(image.dims[2] ** 2) : map, absent };
  }

  hand(): void {
    this.#h = this.#next;
  }

  async remember(slice: number, now: SliceFeatures, map: Float32Array): Promise<MemorySlice> {
    const { entry, h } = await encodeSensory(this.networks, slice, now, map, this.#h);
    this.#h = h;
    return entry;
  }
}

export function carrierOf(networks: Networks): Carrier {
  return networks.settings.propagation.layout === "xmem" ? new SensoryCarrier(networks) : new LiteCarrier(networks);
}
