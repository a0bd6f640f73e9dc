/** /datastore/label: labels in and out. The id of a label is that of its image; the tag says which of its labels. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { unknownImage } from "../../datastore/unknown.js";
import { checkExtension, checkTag, finalTag, labelExtensions } from "../../datastore/names.js";
import { type ExportFormat, exportFormats } from "../../dicom/export.js";
import { LimnetError } from "../../errors.js";
import { convertRawLabel } from "../../imaging/raw-label.js";
import { readHeader } from "../../imaging/read.js";
import { signature } from "../auth/roles.js";
import { sendDownload } from "../downloads.js";
import { type Endpoint, endpoint } from "../endpoint.js";
import { ValidationError } from "../errors.js";
import { keepProvenance } from "../provenance.js";
import { readForm } from "../uploads.js";
import { info, json, labelId, nothing, nullReply } from "./replies.js";
import { filePart, fileReply, jsonPart } from "./schemas.js";

const tag = "Datastore: labels";
const oneLabel = z.object({ label: z.string(), tag: z.string() });

/** What can be done with a label that was just submitted. */
const submitted = { label: "$response.body#/label", tag: "$request.query.tag" };
const labelLinks: Endpoint["links"] = {
  download: { operation: "get_datastore_label", parameters: submitted },
  there: { operation: "head_datastore_label", parameters: { image: submitted.label, tag: submitted.tag } },
  about: { operation: "get_datastore_label_info", parameters: submitted },
  note: { operation: "put_datastore_label_info", parameters: submitted },
  review: { operation: "put_datastore_updatelabelinfo", parameters: submitted },
  remove: { operation: "delete_datastore_label", parameters: { id: submitted.label, tag: submitted.tag } },
};

export function labelRoutes(): Endpoint[] {
  return [saveLabel(), removeLabel(), downloadLabel(), hasLabel(), labelInfo(), updateInfo("/datastore/label/info", "info"), updateInfo("/datastore/updatelabelinfo", "params")];
}

function saveLabel(): Endpoint {
  return endpoint({
    method: "put", path: "/datastore/label", tag, role: "annotator", summary: "Submits a label",
    conformance: { note: "Also a DICOM segmentation (`.dcm`), which is kept as `.seg.nrrd` on the grid of the image." },
    querySchema: z.object({ image: z.string(), tag: z.string().default(finalTag) }),
    body: { "multipart/form-data": { type: "object", properties: { label: filePart, params: jsonPart }, required: ["label"] } },
    reply: json(labelId), fails: [400, 404, 413], links: labelLinks,
    async handle({ query, req, res, scratch, user, context }) {
      const { datastore, config, labels } = context;
      const labelTag = query.tag || finalTag;
      checkTag(labelTag);
      if (!(await datastore.peek(query.image))) throw unknownImage(query.image);
      const form = await readForm({ req, res, config, scratch, files: ["label"], texts: ["params"] });
      const upload = form.file("label");
      if (!upload) throw ValidationError.missing("label");
      const info = await form.object("params");
      const save = async (ext: string, file: string) => {
        const far = await datastore.saveLabel(query.image, labelTag, ext, file, { ...info, ...signature(user) });
        const client = typeof info.client_id === "string" ? info.client_id.slice(0, 200) : "";
        await keepProvenance(context, { id: query.image, tag: labelTag, user: user.id || client });
        return { ...far, image: query.image, label: query.image };
      };
      if (upload.ext.toLowerCase() === ".bin") {
        const volume = join(await scratch.folder(), "label.nii.gz");
        await convertRawLabel(upload.path, await datastore.imageHeader(query.image), volume);
        return save(".nii.gz", volume);
      }
      if (upload.ext.toLowerCase() === ".dcm") {
        const volume = join(await scratch.folder(), "label.seg.nrrd");
        await labels.read([await readFile(upload.path)], (await datastore.source?.(query.image)) ?? (await datastore.imageHeader(query.image)), volume);
        return save(".seg.nrrd", volume);
      }
      checkExtension(upload.ext, labelExtensions);
      // Overlapping segments of Slicer lie in a fourth axis, which is more than a volume has: kept as they are.
      if (upload.ext.toLowerCase() !== ".seg.nrrd") await readHeader(upload.path, config);
      return save(upload.ext, upload.path);
    },
  });
}

function removeLabel(): Endpoint {
  return endpoint({
    method: "delete", path: "/datastore/label", tag, role: "admin", summary: "Removes a label; {} also where there was none",
    querySchema: z.object({ id: z.string(), tag: z.string() }), reply: json(nothing),
    async handle({ query, context: { datastore } }) {
      await datastore.removeLabel(query.id, query.tag).catch((error) => {
        if (!(error instanceof LimnetError && error.code === "unknown_label")) throw error;
      });
      return {};
    },
  });
}

function downloadLabel(): Endpoint {
  return endpoint({
    method: "get", path: "/datastore/label", tag, role: "user", summary: "The file of a label, as it was saved or in another format", reply: fileReply, fails: [404],
    conformance: { note: "With `format` in another format: `dicom_seg`, `dicom_labelmap`, `rtstruct`, `seg.nrrd`, `nrrd`, `nii.gz` ([labels.md](labels.md)); without it as in MONAI Label." },
    querySchema: oneLabel.extend({ format: z.enum(Object.keys(exportFormats) as [ExportFormat]).optional().meta({ description: "Default: as it was saved. The DICOM formats need an image that is DICOM" }) }),
    async handle({ query, res, scratch, context: { datastore, labels } }) {
      const missing = "Label NOT Found. GET /datastore/?output=all lists the labels that are there.";
      const label = await datastore.label(query.label, query.tag);
      if (!label) throw new LimnetError("unknown_label", missing);
      if (query.format === undefined) return sendDownload(res, label.path, label.id + label.ext, missing);
      const file = join(await scratch.folder(), `export${exportFormats[query.format]}`);
      const source = (await datastore.source?.(label.id)) ?? null;
      await labels.export(label, source ?? (await datastore.imageHeader(label.id)), source, query.format, file);
      await sendDownload(res, file, label.id + exportFormats[query.format], missing);
    },
  });
}

function hasLabel(): Endpoint {
  return endpoint({
    method: "head", path: "/datastore/label", tag, role: "user", summary: "Whether a label is there",
    querySchema: z.object({ image: z.string(), tag: z.string() }), fails: [404],
    async handle({ query, res, context: { datastore } }) {
      const label = await datastore.label(query.image, query.tag);
      res.status(label ? 200 : 404).type("application/json").end();
    },
  });
}

function labelInfo(): Endpoint {
  return endpoint({
    method: "get", path: "/datastore/label/info", tag, role: "user", summary: "What is known about a label; {} where there is none", querySchema: oneLabel, reply: json(info),
    async handle({ query, context: { datastore } }) {
      const label = await datastore.label(query.label, query.tag);
      return label ? { ...label.info, path: label.path } : {};
    },
  });
}

/** The Reviewer extension of Slicer uses the older path and field name. */
function updateInfo(path: string, field: "info" | "params"): Endpoint {
  return endpoint({
    method: "put", path, tag, role: "annotator", summary: "Adds to what is known about a label", querySchema: oneLabel, reply: json(nullReply), fails: [400, 404],
    body: { "application/x-www-form-urlencoded": { type: "object", properties: { [field]: jsonPart } } },
    async handle({ query, req, res, scratch, user, context: { datastore, config } }) {
      const form = await readForm({ req, res, config, scratch, files: [], texts: [field] });
      await datastore.updateLabelInfo(query.label, query.tag, { ...(await form.object(field)), ...signature(user) });
      return null;
    },
  });
}
