/** A series that comes one instance after the other: each slice can be used as soon as it is here. */
import { LocalDecoder } from "./codecs/decode.js";
import type { DigestThread } from "./digest-thread.js";
import { unfit } from "./group.js";
import { type Instance, parseInstance } from "./instance.js";
import { planSeries, planSlice, sourceOf, type VolumePlan } from "./plan.js";
import { buildSeries, buildVolume, decodeSlice } from "./series.js";
import type { ArrivedSlice, DecodedFrame, DicomOptions, FrameDecoder, PlannedVolume, Series } from "./types.js";
import { type StreamTarget, VolumeStream } from "./volume-stream.js";
import { writeVolume } from "./write-volume.js";

/** A volume in its file. */
export interface WrittenVolume {
  readonly source: PlannedVolume;
  /** sha256 of the file, in hexadecimal. */
  readonly digest: string;
}

export class SeriesAssembler {
  readonly #options: DicomOptions;
  readonly #decoder: FrameDecoder;
  readonly #instances: Instance[] = [];
  readonly #decoded = new Map<Instance, DecodedFrame[]>();
  /** Undefined until the first slice says whether there may be one. */
  #stream: VolumeStream | null | undefined;

  constructor(options: DicomOptions = {}) {
    this.#decoder = options.decoder ?? new LocalDecoder();
    this.#options = { ...options, decoder: this.#decoder };
  }

  /**
   * Takes the bytes of one DICOM file, which must not change afterwards, and gives its slices with their pixels; none
   * for objects that are no scan. Several calls may be under way at once.
   * @throws LimnetError as readSeries; the instance then counts as not added and may be added again
   */
  async add(bytes: Uint8Array): Promise<ArrivedSlice[]> {
    return this.take(await parseInstance(bytes));
  }

  /** The same for an instance that was parsed already. */
  async take(instance: Instance): Promise<ArrivedSlice[]> {
    if (unfit(instance) !== null) {
      this.#instances.push(instance);
      return [];
    }
    const slices = instance.frames.map((frame) => ({ instance, frame }));
    const decoded = await Promise.all(slices.map((slice) => decodeSlice(slice, this.#decoder, this.#options.signal)));
    this.#instances.push(instance);
    this.#decoded.set(instance, decoded);
    return slices.map((slice, at) => ({
      source: sourceOf(slice),
      volume: async () => (await buildVolume(planSlice(slice, this.#options), this.#options, () => decoded[at])).volume,
    }));
  }

  /**
   * Takes an instance whose bytes are lent straight into the file of its volume. Null where that cannot be: then it is not taken, and the
   * slices that were are here as if they had come by `take`. One call at a time. @throws LimnetError as `take`, and as `target.room` does
   */
  async takeLent(instance: Instance, target: StreamTarget): Promise<ArrivedSlice | null> {
    if (this.#stream === undefined) this.#stream = this.#instances.length === 0 ? VolumeStream.over(instance, target, this.#options) : null;
    const stream = this.#stream;
    const kept = stream && await stream.take(instance);
    if (!kept) {
      await this.endStream();
      return null;
    }
    this.#instances.push(kept);
    const slice = { instance: kept, frame: kept.frames[0] };
    return {
      source: sourceOf(slice),
      volume: async () => {
        const frame = this.#decoded.get(kept)?.[0] ?? await stream.frame(kept);
        return (await buildVolume(planSlice(slice, this.#options), this.#options, () => frame)).volume;
      },
    };
  }

  /** Takes slices back into memory that went straight into the file of their volume. */
  async endStream(): Promise<void> {
    const stream = this.#stream;
    this.#stream = null;
    if (!stream) return;
    try {
      for (const [instance, frame] of await stream.giveBack()) this.#decoded.set(instance, [frame]);
    } finally {
      await stream.close();
    }
  }

  /** The volume that stands for the series, where all of it went straight into its file and lies there as it should; else null. */
  async finishStream(): Promise<WrittenVolume | null> {
    // What else came may be a copy of a slice: that is only seen with the pixels at hand.
    if (!this.#stream || this.#stream.count !== this.#instances.length) return null;
    const { volumes: [plan] } = planSeries(this.#instances, this.#options);
    const digest = await this.#stream.finish(plan);
    return digest === null ? null : { source: sourceOfPlan(plan), digest };
  }

  /**
   * Writes the volume that stands for the series as NIfTI to `path`.
   * @throws LimnetError bad_volume where there is none; what the file system throws
   */
  async write(path: string, digests: DigestThread): Promise<WrittenVolume> {
    await this.endStream();
    const { volumes: [plan] } = planSeries(this.#instances, this.#options);
    const digest = await writeVolume(plan, { decoder: this.#decoder, digests, signal: this.#options.signal }, ({ instance, frame }) => this.#decoded.get(instance)?.[frame.number - 1], path);
    return { source: sourceOfPlan(plan), digest };
  }

  /** The volumes of all that was added. @throws LimnetError bad_volume where there is none */
  async finish(): Promise<Series> {
    await this.endStream();
    return buildSeries(this.#instances, this.#options, ({ instance, frame }) => this.#decoded.get(instance)?.[frame.number - 1]);
  }

  /** Lets go of a file that is still being written. */
  async close(): Promise<void> {
    await this.#stream?.close();
    this.#stream = null;
  }
}

function sourceOfPlan({ shape, geometry, info, slices, attributes }: VolumePlan): PlannedVolume {
  return { shape, geometry, info, slices, attributes };
}
