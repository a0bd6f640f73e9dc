/** A series that comes one instance after the other: each slice can be used as soon as it is here. */
import { LocalDecoder } from "./codecs/decode.js";
import type { DigestThread } from "./digest-thread.js";
import { unfit } from "./group.js";
import { type Instance, parseInstance } from "./instance.js";
import { planSeries, planSlice, sourceOf } from "./plan.js";
import { buildSeries, buildVolume, decodeSlice } from "./series.js";
import type { ArrivedSlice, DecodedFrame, DicomOptions, FrameDecoder, PlannedVolume, Series } from "./types.js";
import { writeVolume } from "./write-volume.js";

export class SeriesAssembler {
  readonly #options: DicomOptions;
  readonly #decoder: FrameDecoder;
  readonly #instances: Instance[] = [];
  readonly #decoded = new Map<Instance, DecodedFrame[]>();

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
   * Writes the volume that stands for the series as NIfTI to `path`, and tells what it is, with the sha256 of the file in hexadecimal.
   * @throws LimnetError bad_volume where there is none; what the file system throws
   */
  async write(path: string, digests: DigestThread): Promise<{ readonly source: PlannedVolume; readonly digest: string }> {
    const { volumes: [plan] } = planSeries(this.#instances, this.#options);
    const digest = await writeVolume(plan, { decoder: this.#decoder, digests, signal: this.#options.signal }, ({ instance, frame }) => this.#decoded.get(instance)?.[frame.number - 1], path);
    const { shape, geometry, info, slices, attributes } = plan;
    return { source: { shape, geometry, info, slices, attributes }, digest };
  }

  /** The volumes of all that was added. @throws LimnetError bad_volume where there is none */
  finish(): Promise<Series> {
    return buildSeries(this.#instances, this.#options, ({ instance, frame }) => this.#decoded.get(instance)?.[frame.number - 1]);
  }
}
