/**
 * One direction of the propagation (specification 2.6, 2.11): from a prompt slice by slice, until it is told to end, the
 * object has gone, or a prompt without an object stands in the way.
 */
import { boxAbove } from "../click/zoom.js";
import type { Networks } from "../networks.js";
import { type Carrier, carrierOf } from "./carrier.js";
import { encodeSlice, type PermanentBlock } from "./encode.js";
import type { Features } from "./features.js";
import { Memory } from "./memory.js";
import { intoRegion, maskFrom, ontoSlice, type StoredPlane } from "./plane.js";
import { type Region, regionFollowing } from "./region.js";

/** What all directions of one propagation share. */
export interface Field {
  readonly networks: Networks;
  readonly features: Features;
  /** Stored maps of the prompt slices; null: a prompt without an object, a wall. */
  readonly prompts: ReadonlyMap<number, StoredPlane>;
  readonly permanent: PermanentBlock;
  /** Between slices: waits where something more pressing goes first, throws when the job has been cancelled. */
  check(): Promise<void>;
  /** Region around all prompts. */
  readonly region: Region;
  /** A zeroed plane of the slice, for pasting. */
  readonly scratch: { readonly data: Float32Array; readonly rows: number; readonly cols: number };
}

export interface Step {
  readonly index: number;
  readonly plane: StoredPlane;
  /** False where a prompt was passed through. */
  readonly decoded: boolean;
}

/**
 * T_min and T_max on a large memory grid (256 x 256 input: 1024 cells a slice). The read is the dearest step there and grows
 * with the slices held, and clips in training hold no more than three: half of the paper's 5 and 10 is kept.
 */
const largeGrid = { cells: 600, minSlices: 3, maxSlices: 6 };

/** How often a direction may move its region; it costs the encoding of all prompts again. */
const movesAllowed = 4;

export class Direction {
  readonly #field: Field;
  readonly #step: 1 | -1;
  readonly #until: number;
  #region: Region;
  #moves = 0;
  #memory!: Memory;
  readonly #carrier: Carrier;
  #at: number;
  #lastMemory: number;
  #empty = 0;
  #ended = false;
  /** Own results so far (and the prompt): masks that can be encoded again. */
  readonly #planes = new Map<number, StoredPlane>();

  /** From the prompt on slice `from` to `until` (exclusive). Call `start` before the first `next`. */
  constructor(field: Field, from: number, step: 1 | -1, until: number) {
    this.#field = field;
    this.#carrier = carrierOf(field.networks);
    this.#step = step;
    this.#until = until;
    this.#region = field.region;
    this.#at = from;
    this.#lastMemory = from;
    this.#planes.set(from, field.prompts.get(from) ?? null);
  }

  get done(): boolean {
    return this.#ended || this.#at + this.#step === this.#until;
  }

  /** The last slice that `next` answered; the prompt's before that. */
  get at(): number {
    return this.#at;
  }

  async start(): Promise<void> {
    await this.#look(this.#region);
  }

  /** One slice. */
  async next(): Promise<Step> {
    const index = this.#at + this.#step;
    const { prompts } = this.#field;
    const decoded = !prompts.has(index);
    const plane = decoded ? await this.#decode(index) : await this.#pass(index, prompts.get(index) ?? null);
    this.#planes.set(index, plane);
    this.#at = index;
    return { index, plane, decoded };
  }

  /** Sets up memory and carrier in a region, encoding again what was kept. Long-term prototypes cannot be: they are dropped. */
  async #look(region: Region): Promise<void> {
    const { networks, features, permanent } = this.#field;
    const { keyDim, valueDim, topK, stride, layout } = networks.settings.propagation;
    const kept = this.#memory?.temporary ?? [];
    this.#region = region;
    // In the order in which this direction would meet them: a reversed volume gives the same sums to the last bit.
    const prompts = await permanent.in(region);
    const ordered = this.#step > 0 ? prompts : prompts.slice().reverse();
    const hw = (region.size / stride) ** 2;
    const slices = hw > largeGrid.cells && layout !== "xmem" ? { minSlices: largeGrid.minSlices, maxSlices: largeGrid.maxSlices } : {};
    this.#memory = new Memory({ keyDim, valueDim, topK, hw, ...slices }, ordered);
    for (const { slice } of kept) {
      await this.#field.check();
      const map = intoRegion(this.#planes.get(slice) ?? null, features.source, region);
      this.#memory.append(await encodeSlice(networks, slice, await features.at(slice, region), map));
    }
    const map = intoRegion(this.#planes.get(this.#at) ?? null, features.source, region);
    await this.#carrier.begin(this.#at, await features.at(this.#at, region), map, this.#field.prompts.has(this.#at));
  }

  async #decode(index: number): Promise<StoredPlane> {
    const { networks, features, scratch } = this.#field;
    const { settings } = networks;
    const { memoryEvery, stopAfter } = settings.propagation;
    const now = await features.at(index, this.#region);
    const readout = await this.#memory.read(networks, now.key.data as Float32Array, now.selection.data as Float32Array);
    const { map, absent } = await this.#carrier.decode(now, readout);
    const plane = absent ? null : ontoSlice(map, this.#region, scratch);
    const mask = plane === null ? null : boxAbove({ ...scratch, data: plane }, maskFrom - 1);
    if (mask !== null && this.#moves < movesAllowed) {
      const moved = regionFollowing(this.#region, mask, scratch, settings.propagation);
      if (moved !== null) {
        this.#moves++;
        await this.#look(moved);
        return this.#decode(index);
      }
    }
    this.#empty = mask === null ? this.#empty + 1 : 0;
    this.#ended = this.#empty >= stopAfter;
    if (mask !== null && Math.abs(index - this.#lastMemory) >= memoryEvery && index + this.#step !== this.#until) {
      this.#memory.append(await this.#carrier.remember(index, now, map));
      this.#lastMemory = index;
    } else this.#carrier.hand(now, map);
    return plane;
  }

  /** A prompt on the way: its map stands, and the direction goes on from it; without an object it is the end. */
  async #pass(index: number, prompt: StoredPlane): Promise<StoredPlane> {
    if (prompt === null) {
      this.#ended = true;
      return null;
    }
    const { features, scratch, networks } = this.#field;
    const mask = boxAbove({ ...scratch, data: prompt }, maskFrom - 1);
    const moved = mask !== null && this.#moves < movesAllowed
      ? regionFollowing(this.#region, mask, scratch, networks.settings.propagation) : null;
    if (moved !== null) {
      this.#moves++;
      await this.#look(moved);
    }
    this.#empty = 0;
    await this.#carrier.begin(index, await features.at(index, this.#region), intoRegion(prompt, features.source, this.#region), true);
    this.#lastMemory = index;
    return prompt;
  }
}
