/** A server over HTTP around the LIM-Net app with an engine that answers at once: what is tested is the history, not the networks. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LimnetApp } from "../../src/apps/limnet/app.js";
import { FakeEngine } from "../../src/apps/limnet/testing.js";
import { FolderDatastore } from "../../src/datastore/folder.js";
import { silentLog } from "../../src/datastore/log.js";
import { encodeMask } from "../../src/imaging/mask.js";
import type { Geometry, Shape } from "../../src/imaging/geometry.js";
import { readVolume } from "../../src/imaging/read.js";
import { createServer } from "../../src/server/app.js";
import { type ConfigInput, loadConfig } from "../../src/server/config.js";

export const shape: Shape = [6, 7, 8];
const geometry: Geometry = { affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0] };

export class HistoryLab {
  readonly engine = new FakeEngine(shape);

  private constructor(readonly folder: string, readonly url: string, private readonly stop: () => Promise<void>, engine: FakeEngine) {
    this.engine = engine;
  }

  /** `stateLimit`: bytes that journals and kept masks may take. `settings`: further ones of the server. */
  static async open({ stateLimit, settings }: { stateLimit?: number; settings?: ConfigInput } = {}): Promise<HistoryLab> {
    const folder = await mkdtemp(join(tmpdir(), "limnet-history-"));
    await encodeMask(new Uint8Array(336), shape, geometry, ".nii.gz", join(folder, "scan.nii.gz"));
    const datastore = new FolderDatastore(folder);
    await datastore.start();
    const engine = new FakeEngine(shape);
    const config = loadConfig({ app: folder, studies: folder, port: 0, ...settings }, {});
    const app = new LimnetApp({ name: "t", description: "", version: "0", labels: ["tumour"], engine, stateDir: config.state, modelDigest: "model-1", stateLimit });
    await app.start();
    const server = createServer({ app, datastore, config, logger: silentLog });
    const { url } = await server.listen();
    const stop = async () => {
      await server.close();
      await app.close();
      await datastore.close();
      await rm(folder, { recursive: true, force: true });
    };
    return new HistoryLab(folder, url, stop, engine);
  }

  close(): Promise<void> {
    return this.stop();
  }

  /** POST of /infer with these clicks; the mask. */
  async click(foreground: readonly (readonly number[])[], query = "", params: Record<string, unknown> = {}): Promise<number[]> {
    const form = new FormData();
    form.append("params", JSON.stringify({ foreground, label: "tumour", result_extension: ".nii", ...params }));
    return this.#mask(await fetch(`${this.url}/infer/limnet?image=scan&output=image${query}`, { method: "POST", body: form }));
  }

  /** POST of one of our own routes that answers a mask. */
  async change(route: string, query = ""): Promise<number[]> {
    return this.#mask(await this.post(route, `&output=image&result_extension=.nii${query}`));
  }

  post(route: string, query = "", object = "image=scan&label=tumour"): Promise<Response> {
    return fetch(`${this.url}/limnet/v1/${route}?${object}${query}`, { method: "POST" });
  }

  get(route: string, query = "", signal?: AbortSignal): Promise<Response> {
    return fetch(`${this.url}/limnet/v1/${route}?image=scan&label=tumour${query}`, { signal });
  }

  async #mask(answer: Response): Promise<number[]> {
    if (answer.status !== 200) throw Object.assign(new Error(await answer.text()), { status: answer.status });
    const path = join(this.folder, ".limnet", "answer.nii");
    await writeFile(path, Buffer.from(await answer.arrayBuffer()));
    return Array.from((await readVolume(path)).voxels);
  }
}
