/** What is stored of all objects: for batch inference, which does the clicks again with the networks of today, and for strategies. */
import { stat } from "node:fs/promises";
import path from "node:path";
import type { Device } from "../../engine/device.js";
import type { ImageSource, InferOptions, InferResult, Params, StoredWork } from "../app.js";
import { resultFile } from "../result-file.js";
import type { Journal } from "./journal.js";
import { objectName } from "./journals.js";
import { ObjectWork } from "./object.js";
import type { ObjectState } from "./object-request.js";
import { parseMaskRequest } from "./params.js";
import { readMask } from "./read-mask.js";
import { stepInForce } from "./rounds/history.js";
import { clicksOf, isDrawn } from "./rounds/program.js";
import type { TaskContext } from "./task.js";
import { tellState } from "./tell.js";

/** Most labels of one uint8 mask. */
const mostLabels = 255;

export class LimnetStored implements StoredWork {
  readonly #model: string;
  readonly #context: TaskContext;
  /** Whose work a folder holds never changes: read once. */
  readonly #known = new Map<string, Journal>();

  /** `model`: work that was done with others is left out. */
  constructor(model: string, context: TaskContext) {
    this.#model = model;
    this.#context = context;
  }

  async images(): Promise<ReadonlySet<string>> {
    return new Set((await this.journals()).map(({ identity }) => identity.image));
  }

  /** Of all objects on the disk. */
  async journals(): Promise<Journal[]> {
    const { journals } = this.#context;
    const names = await journals.names();
    for (const name of names) {
      const journal = this.#known.get(name) ?? (await journals.named(name));
      if (journal) this.#known.set(name, journal);
    }
    return names.map((name) => this.#known.get(name)).filter((journal) => journal !== undefined);
  }

  /** Every label of the image gets the value of its place among them; where several people worked on a label, the newest work counts. */
  async again(image: ImageSource, params: Params, options: InferOptions): Promise<InferResult | null> {
    const objects = await this.#clicked(image);
    if (objects.length === 0) return null;
    const start = performance.now();
    const wanted = parseMaskRequest(params, image.ext, this.#context.limits.maxLabelLength);
    const header = await this.#context.headers.read(image.path, image.digest);
    this.#context.checkMemory?.(header);
    const { shape } = header;
    const mask = new Uint8Array(shape[0] * shape[1] * shape[2]);
    const told: Record<string, unknown>[] = [];
    for (const [n, journal] of objects.entries()) {
      const state = await this.#recompute(image, journal, options, wanted.device);
      const own = await readMask(state.fusedPath, shape);
      for (let at = 0; at < mask.length; at++) if (own[at]) mask[at] = n + 1;
      const { label } = journal.identity;
      told.push({ label, run: state.ran.size, clicks: clicksOf(state.step?.ops ?? []).length, model: state.history.model });
    }
    const names = objects.map(({ identity }) => identity.label);
    const segments = names.map((name, n) => ({ name, value: n + 1 }));
    const file = await resultFile(mask, header, wanted.extension, options.tempDir, { dtype: wanted.dtype, compress: wanted.compress, segNrrd: segments });
    const total = Math.round((performance.now() - start) / 10) / 100;
    return {
      file,
      json: {
        label_names: Object.fromEntries(segments.map(({ name, value }) => [name, value])),
        latencies: { total, transform: null }, centroids: {}, limnet: { objects: told },
      },
    };
  }

  /** Objects of the image as it is now that have clicks in force, one per label, in the order of the app's labels. */
  async #clicked({ id, digest }: ImageSource): Promise<Journal[]> {
    const newest = new Map<string, { journal: Journal; changed: number }>();
    for (const journal of await this.journals()) {
      if (journal.identity.image !== id || journal.identity.digest !== digest) continue;
      const step = stepInForce(await journal.load());
      if (!step || step.way.model !== this.#model || (clicksOf(step.ops).length === 0 && !step.ops.some(isDrawn))) continue;
      const changed = (await stat(path.join(journal.folder, "journal.jsonl"))).mtimeMs;
      const { label } = journal.identity;
      if (changed > (newest.get(label)?.changed ?? -1)) newest.set(label, { journal, changed });
    }
    const { labels } = this.#context;
    const place = (name: string) => (labels.includes(name) ? labels.indexOf(name) : labels.length);
    return [...newest.values()].map(({ journal }) => journal)
      .sort(({ identity: a }, { identity: b }) => place(a.label) - place(b.label) || (a.label < b.label ? -1 : 1)).slice(0, mostLabels);
  }

  /** The clicks in force, as if they were sent again: what these networks computed already is kept. */
  #recompute(image: ImageSource, journal: Journal, { signal, urgency = "batch", requestId }: InferOptions, device?: Device): Promise<ObjectState> {
    const { desk, lock, workshop } = this.#context;
    const { identity } = journal;
    const name = objectName(identity);
    return desk.sit(name, "infer", signal, (stop, watch) => lock.run(name, { signal: stop }, async () => {
      const work = await ObjectWork.open(workshop, journal, { image, user: identity.user, signal: stop, watch, device, place: { urgency, requestId } });
      const step = stepInForce(work.history);
      // Undone to nothing while this waited for its turn.
      if (!step) return work.move(0, "infer");
      const clicks = clicksOf(step.ops);
      const state = await work.click(step.way, {
        positives: clicks.filter(({ positive }) => positive).map(({ voxel }) => voxel),
        negatives: clicks.filter(({ positive }) => !positive).map(({ voxel }) => voxel),
      });
      tellState(desk, identity, "infer", state);
      return state;
    }));
  }
}
