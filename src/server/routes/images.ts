/** /datastore/image: images in and out. `PUT` and `DELETE /datastore/` are the older spelling, which clients still use. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { unknownImage } from "../../datastore/unknown.js";
import { checkExtension, checkId, imageExtensions } from "../../datastore/names.js";
import { LimnetError } from "../../errors.js";
import { readHeader } from "../../imaging/read.js";
import { signature } from "../auth/roles.js";
import { sendDownload } from "../downloads.js";
import { type Endpoint, endpoint } from "../endpoint.js";
import { ValidationError } from "../errors.js";
import { readForm } from "../uploads.js";
import { imageId, info, json, nothing, nullReply } from "./replies.js";
import { filePart, fileReply, jsonPart } from "./schemas.js";

const tag = "Datastore: images";
const oneImage = z.object({ image: z.string() });

/** What can be done with an image that was just stored. */
const stored = "$response.body#/image";
const imageLinks: Endpoint["links"] = {
  download: { operation: "get_datastore_image", parameters: { image: stored } },
  there: { operation: "head_datastore_image", parameters: { image: stored } },
  about: { operation: "get_datastore_image_info", parameters: { image: stored } },
  note: { operation: "put_datastore_image_info", parameters: { image: stored } },
  segment: { operation: "post_infer_model", parameters: { model: "limnet", image: stored } },
  label: { operation: "put_datastore_label", parameters: { image: stored } },
  replace: { operation: "put_datastore_image", parameters: { image: stored } },
  remove: { operation: "delete_datastore_image", parameters: { id: stored } },
};

export function imageRoutes(): Endpoint[] {
  return [...["/datastore/", "/datastore/image"].flatMap((path) => [addImage(path), removeImage(path)]), downloadImage(), hasImage(), imageInfo(), updateInfo()];
}

function addImage(path: string): Endpoint {
  return endpoint({
    method: "put", path, tag, role: "annotator", summary: "Stores an image; its id is image, else the name of the file without extension",
    querySchema: z.object({ image: z.string().optional() }),
    body: { "multipart/form-data": { type: "object", properties: { file: filePart, params: jsonPart }, required: ["file"] } },
    reply: json(imageId), fails: [400, 413], links: imageLinks,
    async handle({ query, req, res, scratch, user, context: { datastore, config } }) {
      const form = await readForm({ req, res, config, scratch, files: ["file"], texts: ["params"] });
      const upload = form.file("file");
      if (!upload) throw ValidationError.missing("file");
      const info = await form.object("params");
      const id = query.image || upload.stem;
      checkId(id);
      checkExtension(upload.ext, imageExtensions);
      // A file that cannot be read is better refused now than at the first click.
      await readHeader(upload.path, config);
      await datastore.addImage(id, upload.ext, upload.path, { ...info, ...signature(user) });
      return { image: id };
    },
  });
}

function removeImage(path: string): Endpoint {
  return endpoint({
    method: "delete", path, tag, role: "admin", summary: "Removes an image and all its labels",
    querySchema: z.object({ id: z.string() }), reply: json(nothing), fails: [404],
    async handle({ query, context: { datastore } }) {
      await datastore.removeImage(query.id);
      return {};
    },
  });
}

function downloadImage(): Endpoint {
  return endpoint({
    method: "get", path: "/datastore/image", tag, role: "user", grant: "image", summary: "The file of an image", querySchema: oneImage, reply: fileReply, fails: [404],
    async handle({ query, res, context: { datastore } }) {
      const image = await datastore.image(query.image);
      if (!image) throw unknownImage(query.image);
      await sendDownload(res, image.path, image.id + image.ext, "Image NOT Found");
    },
  });
}

function hasImage(): Endpoint {
  return endpoint({
    method: "head", path: "/datastore/image", tag, role: "user", summary: "Whether an image is there, with check_sum also whether it is that file",
    querySchema: oneImage.extend({ check_sum: z.string().optional() }), fails: [400, 404],
    async handle({ query, res, context: { datastore } }) {
      const image = await (query.check_sum ? datastore.image(query.image) : datastore.peek(query.image));
      const same = image && (!query.check_sum || (await matches(image.path, query.check_sum)));
      res.status(same ? 200 : 404).type("application/json").end();
    },
  });
}

function imageInfo(): Endpoint {
  return endpoint({
    method: "get", path: "/datastore/image/info", tag, role: "user", summary: "What is known about an image; {} where there is none", querySchema: oneImage, reply: json(info),
    async handle({ query, context: { datastore } }) {
      const image = await datastore.peek(query.image);
      return image ? { ...image.info, ...(image.path !== "" && { path: image.path }) } : {};
    },
  });
}

function updateInfo(): Endpoint {
  return endpoint({
    method: "put", path: "/datastore/image/info", tag, role: "annotator", summary: "Adds to what is known about an image", querySchema: oneImage, reply: json(nullReply), fails: [400, 404],
    body: { "application/x-www-form-urlencoded": { type: "object", properties: { info: jsonPart } } },
    async handle({ query, req, res, scratch, user, context: { datastore, config } }) {
      const form = await readForm({ req, res, config, scratch, files: [], texts: ["info"] });
      await datastore.updateImageInfo(query.image, { ...(await form.object("info")), ...signature(user) });
      return null;
    },
  });
}

/** `check_sum` is "SHA256:<hex>", "SHA512:<hex>", "MD5:<hex>" or a bare sha256. */
async function matches(path: string, checkSum: string): Promise<boolean> {
  const [, name = "sha256", hex] = /^(?:(\w+):)?([0-9a-f]+)$/i.exec(checkSum) ?? [];
  const algorithm = name.toLowerCase();
  if (!hex || !["sha256", "sha512", "md5"].includes(algorithm)) {
    throw new LimnetError("bad_request", "check_sum has to read SHA256:<hex>, SHA512:<hex> or MD5:<hex>.");
  }
  const hash = createHash(algorithm);
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex") === hex.toLowerCase();
}
