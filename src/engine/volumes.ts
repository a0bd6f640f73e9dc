/** The prepared volumes in use, bounded: a click on a volume that is here reads no file. */
import { type Prepared, prepare } from "../apps/limnet/prepare.js";
import { LimnetError } from "../errors.js";
import { HeaderCache } from "../imaging/header-cache.js";
import { readVolume } from "../imaging/read.js";
import type { VolumeHeader } from "../imaging/volume.js";

const megabytes = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MB`;

export class VolumeStore {
  #budget: number;
  readonly #volumes = new Map<string, Prepared>();
  readonly #headers = new HeaderCache();
  #bytes = 0;

  /** @param budget bytes of grey values kept, one per voxel. The volume in use may need three to nine times its own more while it is read. */
  constructor(budget = 2 ** 30) {
    this.#budget = budget;
  }

  /** May keep so much from now on. */
  setBudget(bytes: number): void {
    this.#budget = bytes;
    this.#shrink(0);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** What is known of a volume before its voxels are read. Throws bad_volume, not_found. */
  header(path: string, digest: string): Promise<VolumeHeader> {
    return this.#headers.read(path, digest);
  }

  /**
   * The volume of a file, with the window given or chosen from it.
   * `pause` is awaited on the way. Throws bad_volume, not_found; out_of_memory, with the numbers, when the volume alone is beyond the budget.
   */
  async get(path: string, digest: string, window: readonly [number, number] | null, pause?: () => Promise<void>): Promise<Prepared> {
    const name = `${digest}|${window === null ? "auto" : window.join(",")}`;
    const known = this.#volumes.get(name);
    if (known !== undefined) {
      this.#volumes.delete(name);
      this.#volumes.set(name, known);
      return known;
    }
    const { shape } = await this.header(path, digest);
    const bytes = shape[0] * shape[1] * shape[2];
    if (bytes > this.#budget) {
      throw new LimnetError("out_of_memory", `The volume needs ${megabytes(bytes)} of memory and the engine may use ${megabytes(this.#budget)} for volumes. Send a cropped or coarser volume.`);
    }
    this.#shrink(bytes);
    const prepared = await prepare(await readVolume(path), window ?? undefined, pause);
    // Another job may have read it meanwhile.
    if (!this.#volumes.has(name)) this.#bytes += prepared.grey.length;
    this.#volumes.set(name, prepared);
    return prepared;
  }

  /** Until there is room for so many bytes more. */
  #shrink(bytes: number): void {
    for (const [oldest, { grey }] of this.#volumes) {
      if (this.#bytes + bytes <= this.#budget) break;
      this.#volumes.delete(oldest);
      this.#bytes -= grey.length;
    }
  }
}
