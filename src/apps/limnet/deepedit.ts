/**
 * LIM-Net as a `deepedit` model (protocol 3.3): one list of points per label and one list of background points for all, one mask of all
 * labels. Each label is an object of its own; the label in hand is computed, the others keep what they have.
 */
import { rm } from "node:fs/promises";
import type { Voxel } from "../../imaging/geometry.js";
import { readHeader, readVolume } from "../../imaging/read.js";
import type { InferOptions, InferRequest, InferResult, InferTask, Params } from "../app.js";
import { onDisk, resultFile } from "../result-file.js";
import { Alias } from "./alias.js";
import { parseMaskRequest } from "./params.js";
import { clicksInForce } from "./rounds/history.js";
import type { LimnetTask, TaskContext } from "./task.js";

const background = "background";

interface LabelClicks {
  readonly label: string;
  readonly foreground: readonly unknown[];
  readonly background: readonly unknown[];
}

export class DeepeditTask extends Alias implements InferTask {
  readonly type = "deepedit";
  /** Consecutive from 1, so that every client gives a value the same name (protocol 8.1). */
  readonly labels: Readonly<Record<string, number>>;
  readonly #context: TaskContext;

  constructor(target: LimnetTask, context: TaskContext) {
    super(target);
    const names = context.labels.filter((name) => name !== background);
    this.labels = { ...Object.fromEntries(names.map((name, n) => [name, n + 1])), [background]: 0 };
    this.#context = context;
  }

  async run(request: InferRequest, options: InferOptions): Promise<InferResult> {
    const { image, params } = request;
    const wanted = parseMaskRequest(params, image.ext, this.#context.limits.maxLabelLength);
    const { shape, geometry } = await readHeader(image.path, this.#context.limits);
    const mask = new Uint8Array(shape[0] * shape[1] * shape[2]);
    let json: Record<string, unknown> = { latencies: {}, centroids: {} };
    // The label in hand comes last: where objects meet, it is on top.
    const clicks = await this.#clicks(request);
    for (const { label, ...lists } of clicks) {
      const own = { ...params, ...lists, label, result_extension: ".nrrd", result_dtype: "uint8", result_compress: false, result_write_to_file: true };
      const result = await this.target.run({ ...request, params: own }, options);
      const written = await onDisk(result.file!);
      const { voxels } = await readVolume(written);
      await rm(written, { force: true });
      for (let at = 0; at < mask.length; at++) if (voxels[at]) mask[at] = this.labels[label];
      json = result.json;
    }
    // Wherever objects meet: a voxel that was clicked for a label has it.
    for (const { label, foreground } of clicks) {
      for (const [i, j, k] of foreground as readonly Voxel[]) mask[i + shape[0] * (j + shape[1] * k)] = this.labels[label];
    }
    const answer = { ...json, label_names: this.labels };
    if (!wanted.writeFile) return { file: null, json: answer };
    const segNrrd = this.#names().map((name) => ({ name, value: this.labels[name] }));
    const file = await resultFile(mask, { shape, geometry }, wanted.extension, options.tempDir, { dtype: wanted.dtype, compress: wanted.compress, segNrrd });
    return { file, json: answer };
  }

  #names(): string[] {
    return Object.keys(this.labels).filter((name) => name !== background);
  }

  /** A background point belongs to the label in whose history it is; one that is new belongs to the label in hand. */
  async #clicks({ image, user, params }: InferRequest): Promise<LabelClicks[]> {
    const inHand = this.#labelInHand(params);
    const clicked = this.#names().filter((name) => points(params, name).length > 0 || (name === inHand && points(params, "foreground").length > 0));
    const free = new Map(points(params, background).map((point) => [JSON.stringify(point), point]));
    const taken = new Map<string, unknown[]>();
    for (const label of clicked) {
      const history = await this.#context.journals.of({ image: image.id, digest: image.digest, user, label }).load();
      const own = clicksInForce(history).filter(({ positive }) => !positive).map(({ voxel }) => JSON.stringify(voxel)).filter((key) => free.has(key));
      taken.set(label, own.map((key) => free.get(key)));
      for (const key of own) free.delete(key);
    }
    return clicked.sort((a, b) => Number(a === inHand) - Number(b === inHand)).map((label) => ({
      label,
      foreground: [...points(params, label), ...(label === inHand ? points(params, "foreground") : [])],
      background: [...taken.get(label)!, ...(label === inHand ? free.values() : [])],
    }));
  }

  /** The one that the client names, else the last that has points. */
  #labelInHand(params: Params): string | undefined {
    const names = this.#names();
    if (typeof params.label === "string" && names.includes(params.label)) return params.label;
    return names.findLast((name) => points(params, name).length > 0) ?? names[0];
  }
}

function points(params: Params, name: string): readonly unknown[] {
  const value = params[name];
  return Array.isArray(value) ? value : [];
}
