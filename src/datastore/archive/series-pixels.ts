/** The pixels of a series on their way here: all instances in one answer, and one by one what that answer did not bring. */
import type { SeriesAssembler } from "../../dicom/assembler.js";
import { type Instance, parseInstance } from "../../dicom/instance.js";
import type { ArrivedSlice } from "../../dicom/types.js";
import type { StreamTarget } from "../../dicom/volume-stream.js";
import type { ArchiveClient, SeriesPlace } from "../../dicomweb/client.js";
import { isPassing } from "../../dicomweb/errors.js";
import type { Log } from "../log.js";
import { explicitLittleEndian, isTranscodable, SeriesSingles } from "./series-singles.js";

export interface SeriesPixelsOptions {
  readonly client: ArchiveClient;
  readonly place: SeriesPlace;
  readonly assembler: SeriesAssembler;
  readonly target: StreamTarget;
  readonly signal: AbortSignal;
  readonly log: Log;
  /** Told once when half of the announced instances went straight into the file. */
  onHalf(): void;
  /** Told once when the rest has to be collected. */
  onCollect(): void;
}

export class SeriesPixels {
  readonly #options: SeriesPixelsOptions;
  readonly #single: SeriesSingles;
  readonly #got = new Map<string, Promise<void>>();
  readonly #arrived = new Map<string, ArrivedSlice>();
  /** Instances that went straight into the file. */
  readonly #streamed = new Set<string>();
  #streaming = true;

  constructor(options: SeriesPixelsOptions) {
    const { client, place, signal } = options;
    this.#options = options;
    this.#single = new SeriesSingles({ client, place, signal, add: (instance) => this.#add(instance) });
  }

  /** True where as many instances as were announced went straight into the file. */
  get complete(): boolean {
    return this.#streamed.size === this.#options.target.count;
  }

  has(uid: string): boolean {
    return this.#got.has(uid);
  }

  /** Settles with all that is here or was asked for, what is `missing` among it. */
  settle(missing: readonly string[]): Promise<PromiseSettledResult<void>[]> {
    return Promise.allSettled(new Set([...missing.map((uid) => this.#one(uid)), ...this.#got.values()]));
  }

  /** A slice; asked for by itself where it has not come yet. */
  async slice(uid: string, frame: number): Promise<ArrivedSlice | undefined> {
    const key = `${uid}/${frame}`;
    if (!this.#arrived.has(key)) await this.#one(uid);
    return this.#arrived.get(key);
  }

  clear(): void {
    this.#single.clear();
    this.#arrived.clear();
  }

  /** The whole series in one answer. What goes wrong here is made good one by one, unless nothing came at all for a reason that stays. */
  async stream(): Promise<void> {
    const { client, place, signal, log } = this.#options;
    try {
      for await (const file of client.retrieveSeries(place, { signal, lent: true })) {
        if (this.#streaming && await this.#straight(file)) continue;
        const instance = await parseInstance(Buffer.from(file));
        const uid = instance.sopInstanceUid;
        // Twice the same, or something that came in between: one is enough.
        if (uid !== "" && this.#got.has(uid)) continue;
        const taken = this.#take(uid, instance);
        // Compressed pixels are decoded while more are on their way.
        if (uid === "") await taken;
        else this.#got.set(uid, taken);
        taken.catch(() => {});
      }
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (!isPassing(error)) throw error;
      log.warn("the series did not come in one answer", { error: (error as Error).message, came: this.#got.size });
    }
  }

  /** Into the file of the volume as it comes; false where it has to be kept beside the others until all are here. */
  async #straight(file: Buffer): Promise<boolean> {
    const { assembler, target, onHalf, onCollect } = this.#options;
    const instance = await parseInstance(file, { lent: true });
    const uid = instance.sopInstanceUid;
    if (this.#streamed.has(uid)) return true;
    // What somebody asked for by itself is collected already.
    const slice = uid !== "" && !this.#got.has(uid) && await assembler.takeLent(instance, target);
    if (slice) {
      this.#streamed.add(uid);
      this.#got.set(uid, Promise.resolve());
      this.#arrived.set(`${uid}/1`, slice);
      if (this.#streamed.size === Math.ceil(target.count / 2)) onHalf();
      return true;
    }
    this.#streaming = false;
    await assembler.endStream();
    onCollect();
    return false;
  }

  async #take(uid: string, instance: Instance): Promise<void> {
    try {
      await this.#add(instance);
    } catch (error) {
      this.#got.delete(uid);
      if (!isTranscodable(error) || uid === "") throw error;
      await this.#one(uid, explicitLittleEndian);
    }
  }

  #one(uid: string, syntax?: string): Promise<void> {
    const known = this.#got.get(uid);
    if (known) return known;
    const asked = this.#single.ask(uid, syntax);
    this.#got.set(uid, asked);
    asked.catch(() => this.#got.delete(uid));
    return asked;
  }

  async #add(instance: Instance): Promise<void> {
    for (const slice of await this.#options.assembler.take(instance)) this.#arrived.set(`${slice.source.sopInstanceUid}/${slice.source.frame}`, slice);
  }
}
