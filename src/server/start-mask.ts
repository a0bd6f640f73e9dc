/** The label that a request starts from: sent along (form part `label`), or one of the datastore (`params.start`: its tag). */
import type { DrawnName, ImageSource, InferRequest, InferTask, Params } from "../apps/app.js";
import { LimnetError } from "../errors.js";
import { readHeader } from "../imaging/read.js";
import type { ServerContext } from "./context.js";
import type { Upload } from "./uploads.js";

/**
 * The mask of the object that the request speaks of (`params.label`), on the grid of its image; undefined where the request names no
 * start, or an empty one. Of a label with several objects it is the one of that name, else `params.start_segment` (a name or number).
 * @throws LimnetError unknown_label, bad_volume (another grid, damaged), bad_params (which of several objects?)
 */
export async function startMask({ datastore, labels }: ServerContext, upload: Upload | undefined, params: Params, image: ImageSource): Promise<Uint8Array | undefined> {
  const tag = params.start;
  if (!upload && (tag === undefined || tag === null || tag === "" || tag === false)) return undefined;
  if (!upload && typeof tag !== "string") throw new LimnetError("bad_params", "\"start\" must be the tag of a saved label, such as \"final\".");
  const file = upload ?? (await datastore.label(image.id, String(tag)));
  if (!file) throw new LimnetError("unknown_label", `The image has no label ${JSON.stringify(String(tag).slice(0, 80))} to start from. GET /datastore/?output=all lists the labels that are there.`);
  const grid = await gridOf(datastore, image);
  const info = "info" in file ? file.info : {};
  return labels.start({ path: file.path, ext: file.ext, info }, grid, { label: params.label, segment: params.start_segment });
}

/**
 * What a client with a brush sends: the segments of form part `label` that the model asks for, on the grid of the image; undefined for a model that
 * is not worked so.
 * @throws LimnetError bad_request without the part, bad_volume (another grid, damaged), bad_params (names no segment)
 */
export async function drawnMasks({ datastore, labels }: ServerContext, upload: Upload | undefined, task: InferTask, params: Params, image: ImageSource): Promise<InferRequest["drawn"]> {
  if (!task.drawn) return undefined;
  const wanted = task.drawn(params);
  if (!upload) throw new LimnetError("bad_request", "This model is worked with a brush: send what is drawn as form part `label`, a label volume on the grid of the image.");
  const grid = await gridOf(datastore, image);
  const masks: Partial<Record<DrawnName, Uint8Array>> = {};
  for (const [name, which] of Object.entries(wanted) as [DrawnName, object][]) {
    masks[name] = await labels.start({ path: upload.path, ext: upload.ext, info: {} }, grid, { ...which, optional: true });
  }
  return masks;
}

async function gridOf(datastore: ServerContext["datastore"], image: ImageSource) {
  return (image.id === "" ? null : await datastore.source?.(image.id)) ?? (await readHeader(image.path));
}
