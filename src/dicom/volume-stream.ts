/**
 * A volume that goes into its file while its slices come: nothing waits for the last one, and the series is never in memory as a whole.
 * That can be where slices of one kind come one after the other from one end of the stack to the other, whatever lies between them. What
 * else comes, and the plan of all that came, may say that it was wrong to begin: then the slices are given back as they were.
 */
import { niftiDataOffset } from "../imaging/nifti.js";
import { layNifti } from "../imaging/nifti-write.js";
import type { DigestThread, Sum } from "./digest-thread.js";
import type { Instance } from "./instance.js";
import type { VolumePlan } from "./plan.js";
import { samePlaceMm } from "./repeats.js";
import { SliceWriter } from "./slice-writer.js";
import { distances, type Slice, stackGeometry } from "./stack.js";
import { type StreamKind, streamKind } from "./stream-kind.js";
import type { DecodedFrame } from "./types.js";

export interface StreamTarget {
  /** Slices that are expected. */
  readonly count: number;
  readonly digests: DigestThread;
  /** Path of the file, once there is room for so many bytes. */
  room(bytes: number): Promise<string>;
}

interface Taken extends Slice {
  /** Pixels that were given back. */
  readonly held: { bytes: Uint8Array | null };
  /** Millimetres from the first slice, along its normal. */
  readonly along: number;
}

export class VolumeStream {
  readonly #kind: StreamKind;
  readonly #target: StreamTarget;
  readonly #signal: AbortSignal | undefined;
  readonly #path: Promise<string>;
  readonly #writer: SliceWriter;
  readonly #taken: Taken[] = [];
  /** Known with the second slice; `header`: as it will be if the slices go on as they began. */
  #way: { readonly up: boolean; readonly header: Uint8Array } | null = null;
  /** Of the file, where it comes in its order; it begins with the header that is expected. */
  #sum: Sum | null = null;

  /** Null where a volume that begins with this instance has to wait for all of them. */
  static over(first: Instance, target: StreamTarget, { suv, signal }: { suv?: boolean; signal?: AbortSignal }): VolumeStream | null {
    const kind = target.count > 1 ? streamKind(first, { suv }) : null;
    return kind && new VolumeStream(kind, target, signal);
  }

  private constructor(kind: StreamKind, target: StreamTarget, signal?: AbortSignal) {
    [this.#kind, this.#target, this.#signal] = [kind, target, signal];
    const { area, shift } = kind;
    const { count: total, digests } = target;
    this.#path = target.room(2 * area * total);
    this.#writer = new SliceWriter({ path: this.#path, area, total, shift, digests });
  }

  get count(): number {
    return this.#taken.length;
  }

  /**
   * The instance to be kept, without its pixels, whose memory may be used again; null where it does not go on with the stream.
   * @throws LimnetError as `room` does; what the file system throws; the reason of the signal
   */
  async take(instance: Instance): Promise<Instance | null> {
    const n = this.#taken.length;
    const frame = instance.frames.at(0);
    if (!frame || n >= this.#target.count || !this.#writer.fit || !this.#kind.holds(instance)) return null;
    const along = n === 0 ? 0 : distances([this.#taken[0], { instance, frame }]).reduce((first, second) => second - first);
    const step = along - (this.#taken.at(-1)?.along ?? 0);
    if (n > 0 && (Math.abs(step) < samePlaceMm || (this.#way && step > 0 !== this.#way.up))) return null;
    const room = await this.#writer.next();
    this.#signal?.throwIfAborted();
    if (!this.#kind.put(room, instance)) return null;
    const held: Taken["held"] = { bytes: null };
    const encoded = { ...instance.pixels!.frame(1), bytes: null };
    const { transferSyntaxUid } = encoded;
    const kept: Instance = { ...instance, pixels: { transferSyntaxUid, frame: () => ({ ...encoded, bytes: held.bytes ?? stillAway() }) } };
    this.#taken.push({ instance: kept, frame, held, along });
    if (n === 1) this.#go(step > 0);
    this.#writer.done();
    return kept;
  }

  /** The pixels of a slice as they came, once more. */
  async frame(instance: Instance): Promise<DecodedFrame> {
    const words = await this.#writer.read(this.#taken.findIndex((slice) => slice.instance === instance));
    return { bytes: new Uint8Array(words.buffer), bitsAllocated: 16, planar: false, rgb: false };
  }

  /** All slices with their pixels as they came. */
  async giveBack(): Promise<Map<Instance, DecodedFrame>> {
    const given = new Map<Instance, DecodedFrame>();
    for (const { instance, held } of this.#taken) {
      this.#signal?.throwIfAborted();
      const decoded = await this.frame(instance);
      held.bytes = decoded.bytes;
      given.set(instance, decoded);
    }
    return given;
  }

  /** sha256 of the file, where it is the one that writeVolume would write of this plan; null where it is not. */
  async finish({ parts, shape, geometry }: VolumePlan): Promise<string | null> {
    const n = this.#taken.length;
    if (this.#way === null || parts.length !== n) return null;
    const { up, header: expected } = this.#way;
    if (!up && n !== this.#target.count) return null;
    if (parts.some(({ instance }, k) => instance !== this.#taken[up ? k : n - 1 - k].instance)) return null;
    const header = this.#header(shape, geometry);
    await this.#writer.flush();
    if (!this.#writer.fit) return null;
    await (await this.#writer.file).write(header, 0, header.length, 0);
    if (!this.#sum || !header.equals(expected)) return this.#target.digests.ofFile(await this.#path);
    const digest = this.#sum.end();
    this.#sum = null;
    return digest;
  }

  async close(): Promise<void> {
    await this.#writer.close();
    await this.#sum?.end().catch(() => {});
    this.#sum = null;
  }

  #go(up: boolean): void {
    const [first, second] = this.#taken;
    const { columns, rows } = first.instance.format!;
    const [a, b] = [first.frame.position!, second.frame.position!];
    const header = new Uint8Array(new SharedArrayBuffer(niftiDataOffset));
    header.set(this.#header([columns, rows, this.#target.count], stackGeometry([first], [b[0] - a[0], b[1] - a[1], b[2] - a[2]])));
    this.#way = { up, header };
    this.#sum = up ? this.#target.digests.begin() : null;
    this.#sum?.add(header).catch(() => {});
    this.#writer.go({ up, sum: this.#sum });
  }

  #header(shape: VolumePlan["shape"], geometry: VolumePlan["geometry"]): Buffer {
    const { type, slope, intercept } = this.#kind;
    return Buffer.from(layNifti({ voxels: new type(0), shape, geometry, slope, intercept }, { gzip: false }).header);
  }
}

const stillAway = (): never => { throw new Error("the pixels of this slice are in the file of its volume"); };
