/** What the key graph makes of slices, kept for the other direction, for later rounds and for a moved region. */
import { greyImage, type Networks, type Tensor } from "../networks.js";
import { extract, type Plane } from "../view.js";
import type { Region } from "./region.js";

/** Outputs of the key graph for one slice in one region, and the image that it saw. Shapes, and what else there is by layout: networks.ts. */
export interface SliceFeatures {
  /** [1, 1 or 3, size, size], 0..1 */
  readonly image: Tensor;
  readonly key: Tensor;
  readonly shrinkage: Tensor;
  readonly selection: Tensor;
  readonly [further: string]: Tensor;
}

/** The slices of one prepared volume along one axis. */
export interface SliceSource {
  readonly count: number;
  readonly rows: number;
  readonly cols: number;
  /** Names grey values and axis: two sources of the same identity give the same planes. */
  readonly identity: string;
  /** Standard deviation of the noise in grey values (denoise.ts); absent: not known, taken for none. */
  readonly noise?: number;
  /** Grey values 0..255. */
  plane(index: number): Plane<Uint8Array>;
}

const bytesOf = (features: SliceFeatures) =>
  Object.values(features).reduce((sum: number, tensor: Tensor) => sum + tensor.data.byteLength, 0);

/** Least recently used goes first; never more than `budget` bytes. */
export class FeatureCache {
  readonly #budget: number;
  readonly #entries = new Map<string, { features: SliceFeatures; bytes: number }>();
  #bytes = 0;
  #asked = { hits: 0, misses: 0 };

  constructor(budget = 512 * 2 ** 20) {
    this.#budget = budget;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** How often something was asked for and there, or not, since the last call. */
  count(): { readonly hits: number; readonly misses: number } {
    const counted = this.#asked;
    this.#asked = { hits: 0, misses: 0 };
    return counted;
  }

  get(name: string): SliceFeatures | undefined {
    const entry = this.#entries.get(name);
    this.#asked[entry === undefined ? "misses" : "hits"]++;
    if (entry === undefined) return undefined;
    this.#entries.delete(name);
    this.#entries.set(name, entry);
    return entry.features;
  }

  set(name: string, features: SliceFeatures): void {
    const bytes = bytesOf(features);
    this.#drop(name);
    if (bytes > this.#budget) return;
    this.#entries.set(name, { features, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#budget) break;
      this.#drop(oldest);
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  #drop(name: string): void {
    this.#bytes -= this.#entries.get(name)?.bytes ?? 0;
    this.#entries.delete(name);
  }
}

/** Runs the key graph on slices, through a cache. `model` names the networks: features of other weights are never reused. */
export class Features {
  readonly source: SliceSource;
  readonly #networks: Networks;
  readonly #cache: FeatureCache;
  readonly #prefix: string;
  readonly #gain: number;

  /** `gain`: factor on the grey values, the same for all slices (see `gainFor`). */
  constructor(networks: Networks, source: SliceSource, cache: FeatureCache, model = "", gain = 1) {
    this.source = source;
    this.#networks = networks;
    this.#cache = cache;
    this.#gain = gain;
    this.#prefix = `${model}|${source.identity}|${gain}`;
  }

  async at(index: number, region: Region): Promise<SliceFeatures> {
    const name = `${this.#prefix}|${region.row},${region.col},${region.side},${region.size}|${index}`;
    const known = this.#cache.get(name);
    if (known !== undefined) return known;
    const { size } = region;
    const data = extract(this.source.plane(index), region, size);
    for (let i = 0; i < data.length; i++) data[i] = Math.min(1, (data[i] * this.#gain) / 255);
    const { layout } = this.#networks.settings.propagation;
    const image = greyImage(data, size, layout === "xmem" ? 3 : 1);
    const { key, shrinkage, selection, ...further } = await this.#networks.run("key", { image });
    const features = { ...further, image, key, shrinkage, selection };
    this.#cache.set(name, features);
    return features;
  }
}
