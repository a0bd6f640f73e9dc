/** The label that a request starts from: sent along (form part `label`), or one of the datastore (`params.start`: its tag). */
import { readFile } from "node:fs/promises";
import type { ImageSource, Params } from "../apps/app.js";
import { readSeg } from "../dicom/seg/read.js";
import type { Segment } from "../dicom/seg/segments.js";
import { LimnetError } from "../errors.js";
import { readRawLabel } from "../imaging/raw-label.js";
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
  const header = await readHeader(image.path);
  const source = (image.id === "" ? null : await datastore.source?.(image.id)) ?? null;
  const info = "info" in file ? file.info : {};
  let segments: Pick<Segment, "name" | "labels" | "value">[];
  if (file.ext.toLowerCase() === ".dcm") segments = await (await readSeg(await readFile(file.path))).segments(source ?? header);
  else if (file.ext.toLowerCase() === ".bin") {
    const voxels = await readRawLabel(file.path, header.shape);
    segments = [...new Set(voxels)].filter((value) => value > 0).map((value) => ({ name: `Segment_${value}`, labels: voxels, value }));
  } else segments = await labels.segments({ path: file.path, info }, header, "");
  const chosen = choose(segments.filter(({ labels: voxels, value }) => voxels.includes(value)), params);
  return chosen && Uint8Array.from(chosen.labels, (voxel) => (voxel === chosen.value ? 1 : 0));
}

function choose<T extends Pick<Segment, "name" | "value">>(segments: readonly T[], { label, start_segment: wanted }: Params): T | undefined {
  const plain = (text: unknown) => String(text).trim().toLowerCase();
  const named = (name: unknown) => segments.find((segment) => plain(segment.name) === plain(name));
  const asked = wanted !== undefined && wanted !== null && wanted !== "";
  const found = asked ? (named(wanted) ?? segments.find(({ value }) => value === Number(wanted))) : (named(label) ?? (segments.length === 1 ? segments[0] : undefined));
  if (found || (segments.length === 0 && !asked)) return found;
  const names = segments.slice(0, 20).map(({ name }) => JSON.stringify(name.slice(0, 60))).join(", ");
  throw new LimnetError("bad_params", `The label to start from holds ${segments.length === 0 ? "nothing" : names}. Say which of it is meant: "label" of the same name, or "start_segment".`);
}
