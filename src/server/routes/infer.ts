/** POST /infer/{model}: clicks in, mask out. Parts 2 and 12 of the protocol. */
import { randomBytes } from "node:crypto";
import { copyFile, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import type { App, ImageSource, InferRequest, InferResult, InferTask, Params } from "../../apps/app.js";
import { onDisk } from "../../apps/result-file.js";
import { unknownImage } from "../../datastore/unknown.js";
import { originalTag } from "../../datastore/names.js";
import { convertSeries, isDicomFile, volumeExtension } from "../../dicom/files.js";
import { noSource } from "../../dicom/labels.js";
import type { LabelSource } from "../../dicom/seg/modules.js";
import { LimnetError } from "../../errors.js";
import { fileDigest } from "../../imaging/digest.js";
import { signature } from "../auth/roles.js";
import { sendDownload } from "../downloads.js";
import { keepProvenance } from "../provenance.js";
import { sendResult } from "../results.js";
import { drawnMasks, startMask } from "../start-mask.js";
import { type Call, type Endpoint, endpoint } from "../endpoint.js";
import { type Form, readForm } from "../uploads.js";
import { inferResult } from "./replies.js";
import { filePart, jsonPart } from "./schemas.js";

const pathSchema = z.object({ model: z.string() });
const querySchema = z.object({
  image: z.string().default("").meta({ description: "Id of an image of the datastore" }),
  session_id: z.string().default(""),
  output: z.enum(["image", "json", "all", "dicom_seg"]).optional(),
});
type InferCall = Call<z.infer<typeof pathSchema>, z.infer<typeof querySchema>>;

const form = { type: "object", properties: { params: jsonPart, file: filePart, label: filePart } };

export function inferRoutes(): Endpoint[] {
  return [endpoint({
    method: "post",
    path: "/infer/{model}",
    tag: "Inference",
    role: "user",
    summary: "Runs a model on an image; by default the reply has a part params (JSON) and a part image (the mask)",
    conformance: { note: "`output=dicom_seg` for every image that is a DICOM series, of a folder or an archive; `label_info` may be left out. Another image: 422 with a sentence (MONAI Label: 500). `params.start` or a part `label` is a starting mask; for `limnet_outlines` (type `scribbles`) the part is what was drawn ([labels.md](labels.md))." },
    pathSchema,
    querySchema,
    body: { "multipart/form-data": form, "application/x-www-form-urlencoded": { type: "object", properties: { params: jsonPart } } },
    reply: {
      "multipart/form-data": { type: "object", properties: { params: { type: "object" }, image: filePart } },
      "application/json": inferResult,
      "application/octet-stream": filePart,
    },
    fails: [400, 404, 413, 501, 503, 504, 507],
    handle: infer,
  })];
}

async function infer(call: InferCall): Promise<unknown> {
  const { path, query, req, res, scratch, context } = call;
  const task = findModel(context.app, path.model);
  const form = await readForm({ req, res, config: context.config, scratch, files: ["file", "label"], texts: ["params"] });
  // `model` and `image` inside params would replace the outer ones in MONAI Label; here they mean nothing.
  const { model: _model, image: _image, ...params } = await form.object("params");
  // A DICOM object and a starting mask are on the grid of the whole image.
  const wholeImage = query.output === "dicom_seg" || form.file("label") !== undefined || Boolean(params.start);
  const image = await findImage(call, form, wholeImage ? null : (task.onlySlice?.(params) ?? null));
  const source = query.output === "dicom_seg" ? await dicomSource(call, image) : null;
  // The mask that a DICOM object is made of lies in a file, whatever the client says of files.
  const asked = source ? { ...params, result_extension: ".nrrd", result_write_to_file: true } : params;
  const drawn = await drawnMasks(context, form.file("label"), task, params, image);
  const start = drawn ? undefined : await startMask(context, form.file("label"), params, image);
  const result = await run(task, { image, params: asked, start, drawn }, call);
  try {
    if (source) return await replyDicom(call, params, source, result);
    return await reply(call, params, image, result);
  } finally {
    if (result.file) await rm(result.file.path, { force: true });
  }
}

/** The model of a name. Throws LimnetError unknown_model. */
export function findModel(app: App, name: string): InferTask {
  const task = app.models.get(name);
  if (task) return task;
  throw new LimnetError("unknown_model", `There is no model ${JSON.stringify(name.slice(0, 80))}. Models of this server: ${[...app.models.keys()].join(", ")}.`);
}

/** A known session goes before a file, a file before an id of the datastore. */
async function findImage({ query, user, scratch, signal, context: { datastore, sessions, decoder, config } }: InferCall, form: Form, slice: number | null): Promise<ImageSource> {
  const lent = query.session_id ? await sessions.image(query.session_id, user.id) : null;
  if (lent) return lent;
  const upload = form.file("file");
  if (upload && (await isDicomFile(upload.path))) {
    const path = join(await scratch.folder(), `series${volumeExtension}`);
    await convertSeries([upload.path], path, { decoder, signal, maxVoxels: config.maxVoxels });
    return { id: "", path, ext: volumeExtension, digest: await fileDigest(path) };
  }
  if (upload) return { id: "", path: upload.path, ext: upload.ext, digest: await fileDigest(upload.path) };
  if (query.image) {
    const part = slice === null ? null : await datastore.partial?.(query.image, slice, await scratch.folder());
    if (part) return part;
    const image = await datastore.image(query.image);
    if (!image) throw unknownImage(query.image);
    return { id: image.id, path: image.path, ext: image.ext, digest: await datastore.imageDigest(image.id) };
  }
  if (query.session_id) throw new LimnetError("not_found", `Session (${query.session_id.slice(0, 80)}) Not Found. It may have expired: send the volume again.`);
  throw new LimnetError("bad_request", "No image is given. Name one of the datastore with ?image=ID, or send a volume as form part `file`.");
}

async function run(task: InferTask, { image, params, ...masks }: Omit<InferRequest, "user">, { signal, scratch, context, res, user: { id } }: InferCall): Promise<InferResult> {
  const deadline = AbortSignal.timeout(context.config.inferTimeout * 1000);
  try {
    return await task.run({ image, params, user: whoOf(id, params), ...masks }, {
      signal: AbortSignal.any([signal, deadline]), tempDir: scratch.path, requestId: res.locals.requestId,
    });
  } catch (error) {
    if (deadline.aborted && !signal.aborted) {
      throw new LimnetError("engine_timeout", `No answer within ${context.config.inferTimeout} s (MONAI_LABEL_INFER_TIMEOUT). Try again: finished rounds are kept.`, { cause: error });
    }
    throw error;
  }
}

/** Who logged in is who it says; else a client_id keeps the rounds of two people apart, and nobody shares the work of nobody. */
function whoOf(id: string, { client_id: client }: Params): string {
  return id || (typeof client === "string" ? client.slice(0, 200) : "");
}

/** The series that the image was made of (protocol 2.4). */
async function dicomSource({ context: { datastore } }: InferCall, { id }: ImageSource): Promise<LabelSource> {
  const source = id === "" ? null : await datastore.source?.(id);
  if (!source) throw noSource();
  return source;
}

/** The result as a DICOM segmentation. `label_info` names what `label` does not. */
async function replyDicom({ path, res, scratch, context: { labels }, user }: InferCall, params: Params, source: LabelSource, { file, json }: InferResult): Promise<undefined> {
  if (!file) throw new LimnetError("unsupported_output", "This model gives no mask, so there is nothing to write as DICOM. Ask for output=json.");
  const { label_info, label, client_id } = params;
  const object = join(await scratch.folder(), `seg-${randomBytes(6).toString("hex")}.dcm`);
  await labels.export({ path: await onDisk(file), info: { label_info, label, client_id, model: path.model, params: json, ...signature(user) } }, source, source, "dicom_seg", object);
  await sendDownload(res, object, basename(object), "The result is gone. Send the request again.");
  return undefined;
}

async function reply({ path, query, res, scratch, context, user }: InferCall, params: Params, image: ImageSource, result: InferResult): Promise<unknown> {
  const file = params.result_write_to_file === false ? null : result.file;
  if (file && params.save_label === true && image.id !== "") {
    const copy = join(await scratch.folder(), `label-${randomBytes(6).toString("hex")}${file.ext}`);
    await copyFile(await onDisk(file), copy);
    const tag = typeof params.label_tag === "string" && params.label_tag !== "" ? params.label_tag : originalTag;
    await context.datastore.saveLabel(image.id, tag, file.ext, copy, { model: path.model, params: result.json, ...signature(user) });
    await keepProvenance(context, { id: image.id, tag, user: whoOf(user.id, params) });
  }
  return sendResult(res, query.output, { ...result, file });
}
