/** The robot user at a server: what any client of the protocol does, with fetch and nothing else. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Answer, Interact, PlacedClick } from "../evaluate/interact.js";
import { type Axis, type Geometry, sameGrid, type Shape } from "../imaging/geometry.js";
import { readVolume } from "../imaging/read.js";
import { pixelToVoxel } from "../imaging/slices.js";
import { parseMultipart } from "./multipart.js";

/** Something that the demo promises and that did not hold; the message is the sentence to print. */
export class DemoError extends Error {}

export interface RestTask {
  /** http://127.0.0.1:8000 */
  readonly url: string;
  /** Id of the image in the datastore. */
  readonly image: string;
  /** Name of the object. */
  readonly label: string;
  readonly axis: Axis;
  readonly grid: { readonly shape: Shape; readonly geometry: Geometry };
  /** Receives the mask of the last answer. */
  readonly folder: string;
}

/** The part of the result JSON that is limnet's own, as far as it is read here. */
interface LimnetJson {
  readonly rounds: readonly { readonly seconds: number | null; readonly propagated: number | null }[];
  readonly slices: readonly { readonly winner: string }[];
}

/** Throws DemoError with the server's own sentence unless the answer is 200. */
async function expectOk(answer: Response, what: string): Promise<Response> {
  if (answer.status === 200) return answer;
  const { detail } = await answer.json().then((json) => json as { detail?: unknown }, () => ({ detail: undefined }));
  throw new DemoError(`${what} was answered with ${answer.status}: ${typeof detail === "string" ? detail : JSON.stringify(detail ?? "no reason given")}`);
}

export async function getInfo(url: string): Promise<Record<string, unknown>> {
  return (await (await expectOk(await fetch(`${url}/info/`), "GET /info/")).json()) as Record<string, unknown>;
}

/** Saves a mask file in the datastore as the final label of an image, and makes sure that it is listed there. */
export async function saveLabel(url: string, image: string, mask: Buffer, label: string): Promise<void> {
  const form = new FormData();
  form.append("params", JSON.stringify({ label_info: [{ name: label, idx: 1 }] }));
  form.append("label", new Blob([new Uint8Array(mask)]), `${image}.nii.gz`);
  const where = `${url}/datastore/label?image=${encodeURIComponent(image)}&tag=final`;
  await expectOk(await fetch(where, { method: "PUT", body: form }), "PUT /datastore/label");
  const stats = (await (await expectOk(await fetch(`${url}/datastore/`), "GET /datastore/")).json()) as { label_tags: Record<string, number> };
  if (!stats.label_tags.final) throw new DemoError("The datastore does not list the label that was saved.");
}

export class RestInteract implements Interact {
  #last: Buffer = Buffer.alloc(0);

  constructor(private readonly task: RestTask) {}

  /** Mask file of the last answer. */
  get lastMask(): Buffer {
    return this.#last;
  }

  async segment(clicks: readonly PlacedClick[], { propagate }: { readonly propagate: boolean }): Promise<Answer> {
    const { url, image, label, axis, grid, folder } = this.task;
    const voxels = (positive: boolean) => clicks.filter((c) => c.positive === positive).map((c) => pixelToVoxel(c.slice, c, axis));
    const form = new FormData();
    form.append("params", JSON.stringify({ foreground: voxels(true), background: voxels(false), label, axis, result_extension: ".nii.gz" }));
    const model = propagate ? "limnet" : "limnet_2d";
    const answer = await expectOk(
      await fetch(`${url}/infer/${model}?image=${encodeURIComponent(image)}&output=all`, { method: "POST", body: form }), `POST /infer/${model}`);
    const parts = parseMultipart(answer.headers.get("content-type") ?? "", Buffer.from(await answer.arrayBuffer()));
    const part = (name: string) => {
      const found = parts.find((candidate) => candidate.name === name);
      if (!found) throw new DemoError(`The answer has no part "${name}".`);
      return found.body;
    };
    this.#last = part("image");
    const file = join(folder, "mask.nii.gz");
    await writeFile(file, this.#last);
    const mask = await readVolume(file);
    if (!sameGrid(mask, grid)) throw new DemoError("The mask of the answer is not on the grid of the image.");
    const { latencies, limnet } = JSON.parse(part("params").toString()) as { latencies: { infer: number }; limnet?: LimnetJson };
    return {
      mask: Uint8Array.from(mask.voxels, (v) => (v ? 1 : 0)),
      // The answer does not split its seconds; the table shows what the client waited for anyway.
      seconds: { click: 0, propagate: limnet?.rounds.at(-1)?.seconds ?? latencies.infer, fuse: 0 },
      kept: limnet?.slices.filter(({ winner }) => winner === "previous").length ?? 0,
      propagated: limnet?.rounds.at(-1)?.propagated ?? 0,
    };
  }
}
