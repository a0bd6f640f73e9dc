/** An app with a fake engine on a folder of its own, for tests. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Geometry, Shape } from "../../imaging/geometry.js";
import { encodeMask } from "../../imaging/mask.js";
import { readVolume } from "../../imaging/read.js";
import type { AppLimits, ImageSource, InferRequest, InferResult, ObjectOptions, ObjectRef, Objects, Params } from "../app.js";
import { onDisk } from "../result-file.js";
import { LimnetApp } from "./app.js";
import { FakeEngine } from "./testing.js";

export const testShape: Shape = [6, 7, 8];
export const testGeometry: Geometry = { affine: [-1, 0, 0, 10, 0, -1, 0, 20, 0, 0, 3, -30] };

/** The key `limnet` of the result JSON. */
export interface Own {
  round: number;
  slice: number | null;
  rounds: { slice: number; run: boolean }[];
  slices: unknown[];
  locked: number[];
  undo: number;
  redo: number;
  model: string | null;
}

export interface AskOptions {
  readonly model?: string;
  readonly user?: string;
  /** Another app than the first. */
  readonly to?: LimnetApp;
  readonly signal?: AbortSignal;
  /** Mask that the first click refines. */
  readonly start?: Uint8Array;
  /** What somebody drew with a brush. */
  readonly drawn?: InferRequest["drawn"];
  /** Does not wait for what the answer does not wait for. */
  readonly early?: boolean;
}

/** Server side of one image "scan" and its user. */
export class TestBench {
  readonly engine = new FakeEngine(testShape);
  readonly app: LimnetApp;

  private constructor(readonly folder: string, readonly image: ImageSource, readonly stateDir: string) {
    this.app = this.reopen();
  }

  /** `stateDir`: default a folder of its own. */
  static async make(stateDir?: string): Promise<TestBench> {
    const folder = await mkdtemp(path.join(tmpdir(), "limnet-app-"));
    const file = path.join(folder, "scan.nii.gz");
    await encodeMask(new Uint8Array(6 * 7 * 8), testShape, testGeometry, ".nii.gz", file);
    const bench = new TestBench(folder, { id: "scan", path: file, ext: ".nii.gz", digest: "d1" }, stateDir ?? path.join(folder, "state"));
    await bench.app.start();
    return bench;
  }

  async close(): Promise<void> {
    await this.app.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** A new app on the same state folder, as after a restart. */
  reopen(options: { modelDigest?: string; labels?: readonly string[]; aliases?: readonly string[]; limits?: AppLimits } = {}): LimnetApp {
    const { engine } = this;
    return new LimnetApp({
      name: "t", description: "", version: "0", labels: ["tumour"], engine, stateDir: this.stateDir, ...options,
    });
  }

  async ask(params: Params, { model = "limnet", user = "u", to = this.app, signal = new AbortController().signal, start, drawn, early = false }: AskOptions = {}) {
    const request = { image: this.image, params, user, start, drawn };
    const { file, json } = await to.models.get(model)!.run(request, { signal, tempDir: path.join(this.folder, "tmp") });
    if (!early) await to.idle();
    const mask = file ? Array.from((await readVolume(await onDisk(file))).voxels) : null;
    return { file, json, mask, own: json.limnet as Own };
  }

  /** The object that `ask` clicks by default. */
  ref(label = "", user = "u"): ObjectRef {
    return { image: this.image, user, label };
  }

  /** A change of the history of the default object, and the mask then in force. */
  async change(act: (objects: Objects, ref: ObjectRef, options: ObjectOptions) => Promise<InferResult>, to = this.app) {
    const options = { signal: new AbortController().signal, tempDir: path.join(this.folder, "tmp"), params: { result_extension: ".nii" } };
    const { file, json } = await act(to.objects, this.ref(), options);
    return { mask: Array.from((await readVolume(await onDisk(file!))).voxels), own: json.limnet as Own };
  }

  /** Files of the only object. */
  async stateFiles(): Promise<{ journal: string; states: string[]; masks: string[] }> {
    const [object] = await readdir(path.join(this.folder, "state", "objects"));
    const inside = path.join(this.folder, "state", "objects", object);
    const named = async (end: string) => (await readdir(inside)).filter((name) => name.endsWith(end)).map((name) => path.join(inside, name));
    return { journal: path.join(inside, "journal.jsonl"), states: await named(".gz"), masks: await named(".gz.mask") };
  }
}
