/** Batch inference (protocol 1.6): a model over many images, its masks stored as labels. Images that have nothing to work on are listed. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Datastore } from "../datastore/datastore.js";
import { checkTag, finalTag, originalTag } from "../datastore/names.js";
import { parseDevice } from "../engine/device.js";
import { LimnetError } from "../errors.js";
import type { ImageSource, InferTask, Params } from "./app.js";
import type { TaskDesk } from "./background.js";
import { onDisk } from "./result-file.js";

export const imageChoices = ["all", "labeled", "unlabeled"] as const;

/** What the body of the request may say; keys of the model go on to it, `device` as well. `multi_gpu`, `gpus` and `logging` change nothing here. */
export const batchRequest = z.looseObject({
  save_label: z.boolean().default(true),
  label_tag: z.string().default(originalTag),
  /** Images at work at once. */
  max_workers: z.coerce.number().int().min(1).max(32).default(1),
  /** At most so many images; 0: all. */
  max_batch_size: z.coerce.number().int().min(0).default(0),
});
export type BatchRequest = z.infer<typeof batchRequest>;

/** Checks a body. Throws LimnetError bad_params, bad_identifier. */
export function parseBatchRequest(body: Params): BatchRequest {
  const parsed = batchRequest.safeParse(body);
  if (!parsed.success) {
    const [{ path, message }] = parsed.error.issues;
    throw new LimnetError("bad_params", `"${path.join(".")}" cannot be used: ${message}.`);
  }
  parseDevice(body.device);
  const tag = parsed.data.label_tag || originalTag;
  checkTag(tag);
  return { ...parsed.data, label_tag: tag };
}

export interface BatchJob {
  readonly model: string;
  readonly task: InferTask;
  readonly datastore: Datastore;
  readonly images: (typeof imageChoices)[number];
  readonly request: BatchRequest;
  /** Whose name is noted beside the labels. */
  readonly signature: Params;
  /** A folder of the task's own; made and removed here. */
  readonly tempDir: string;
  /** Told of every label that is saved. */
  readonly saved: (label: { readonly id: string; readonly tag: string }) => Promise<void>;
}

export type BatchResult = Record<string, { readonly label: string | null; readonly tag: string; readonly params: Record<string, unknown> }>;

/** Ids that the status of a task names; a folder may hold 100,000 images without clicks. */
const idsListed = 1000;

/** Runs the model on every image that was asked for. An image that fails is noted and the others go on. */
export async function batchInfer(job: BatchJob, desk: TaskDesk): Promise<BatchResult> {
  const { task, datastore, request, tempDir } = job;
  const ids = (await idsOf(job)).slice(0, request.max_batch_size || undefined);
  const known = await task.stored?.images();
  const run = new BatchRun(job, desk, ids.length);
  const todo = ids.filter((id) => known?.has(id) ?? true);
  run.skip(known ? ids.filter((id) => !known.has(id)) : []);
  await mkdir(tempDir, { recursive: true });
  try {
    const worker = async () => {
      for (let id = todo.shift(); id !== undefined; id = todo.shift()) await run.one(id);
    };
    await Promise.all(Array.from({ length: Math.min(request.max_workers, Math.max(1, todo.length)) }, worker));
  } finally {
    await rm(tempDir, { recursive: true, force: true });
  }
  desk.say(run.summary());
  return run.results;

  function idsOf({ images }: BatchJob): Promise<string[]> {
    return images === "all" ? datastore.listImages() : datastore.select((id, { labels }) => (labels.has(finalTag) === (images === "labeled") ? id : undefined));
  }
}

class BatchRun {
  readonly results: BatchResult = {};
  readonly #job: BatchJob;
  readonly #desk: TaskDesk;
  readonly #total: number;
  readonly #skipped: string[] = [];
  readonly #failed: Record<string, string> = {};
  #skippedCount = 0;

  constructor(job: BatchJob, desk: TaskDesk, total: number) {
    this.#job = job;
    this.#desk = desk;
    this.#total = total;
  }

  /** Images for which no clicks are stored. */
  skip(ids: readonly string[]): void {
    this.#skippedCount += ids.length;
    this.#skipped.push(...ids.slice(0, idsListed - this.#skipped.length));
    this.#report();
  }

  async one(id: string): Promise<void> {
    this.#desk.signal.throwIfAborted();
    try {
      await this.#infer(id);
    } catch (error) {
      if (this.#desk.signal.aborted || !(error instanceof LimnetError)) throw error;
      this.#failed[id] = error.message;
      this.#desk.say(`An image failed: ${error.message}`);
    }
    this.#report();
  }

  summary(): string {
    const done = Object.keys(this.results).length;
    return `${done} of ${this.#total} images done, ${this.#skippedCount} without stored clicks skipped, ${Object.keys(this.#failed).length} failed`;
  }

  async #infer(id: string): Promise<void> {
    const { task, datastore, model, request, signature, tempDir, saved } = this.#job;
    const found = await datastore.image(id);
    if (!found) return;
    const image: ImageSource = { id, path: found.path, ext: found.ext, digest: await datastore.imageDigest(id) };
    const { save_label: save, label_tag: tag, max_workers: _workers, max_batch_size: _most, ...params } = request;
    // One folder per image: models name their files as they like.
    const options = { signal: this.#desk.signal, tempDir: await mkdtemp(join(tempDir, "image-")), urgency: "batch" } as const;
    const result = task.stored ? await task.stored.again(image, params, options) : await task.run({ image, params, user: "" }, options);
    if (!result) return this.skip([id]);
    const { file, json } = result;
    if (file && save) {
      await datastore.saveLabel(id, tag, file.ext, await onDisk(file), { model, params: json, ...signature });
      await saved({ id, tag });
    } else if (file) await rm(file.path, { force: true });
    this.results[id] = { label: file && save ? id : null, tag, params: json };
  }

  #report(): void {
    const failed = Object.fromEntries(Object.entries(this.#failed).slice(0, idsListed));
    this.#desk.report({ done: Object.keys(this.results).length, total: this.#total, skipped: this.#skippedCount, skipped_images: [...this.#skipped], failed });
  }
}
