/** /session/: an image on loan. */
import { z } from "zod";
import { LimnetError } from "../../errors.js";
import { readHeader } from "../../imaging/read.js";
import { sendDownload } from "../downloads.js";
import { type Endpoint, endpoint } from "../endpoint.js";
import { ValidationError } from "../errors.js";
import { readForm } from "../uploads.js";
import { json, newSession, session } from "./replies.js";
import { booleanText, filePart, fileReply } from "./schemas.js";

const tag = "Sessions";
const pathSchema = z.object({ session_id: z.string() });

const created = { session_id: "$response.body#/session_id" };
const sessionLinks: Endpoint["links"] = {
  about: { operation: "get_session_session_id", parameters: created },
  segment: { operation: "post_infer_model", parameters: { model: "limnet", ...created } },
  end: { operation: "delete_session_session_id", parameters: created },
};

export function sessionRoutes(): Endpoint[] {
  return [createSession(), getSession(), removeSession()];
}

function createSession(): Endpoint {
  return endpoint({
    method: "put", path: "/session/", tag, role: "user", summary: "Lends the server an image",
    querySchema: z.object({ uncompress: booleanText, expiry: z.coerce.number().int().min(0).default(0) }),
    body: { "multipart/form-data": { type: "object", properties: { files: { type: "array", items: filePart, minItems: 1 } }, required: ["files"] } },
    reply: json(newSession), fails: [400, 406, 413, 501], links: sessionLinks,
    async handle({ query, req, res, scratch, user, context: { config, sessions } }) {
      if (!config.sessions) throw new LimnetError("sessions_off", "Session Feature is Not Enabled");
      if (query.uncompress) throw new LimnetError("not_implemented", "Archives are not unpacked by this server. Send the volume itself as .nii.gz, .nrrd or .mha.");
      const form = await readForm({ req, res, config, scratch, files: ["files"], texts: [] });
      const [upload, ...more] = form.files("files");
      if (!upload) throw ValidationError.missing("files");
      if (more.length > 0) throw new LimnetError("not_implemented", "A session of several files (a DICOM series) is not supported yet. Send one volume as .nii.gz, .nrrd or .mha.");
      await readHeader(upload.path, config);
      const info = await sessions.create(upload, query.expiry, user.id);
      return { session_id: info.name, session_info: info };
    },
  });
}

function getSession(): Endpoint {
  return endpoint({
    method: "get", path: "/session/{session_id}", tag, role: "user", summary: "What is known about a session, or its image", pathSchema,
    querySchema: z.object({ update_ts: booleanText, image: booleanText }),
    reply: { ...json(session), ...fileReply }, fails: [404],
    async handle({ path, query, res, user, context: { sessions } }) {
      const missing = `Session (${path.session_id.slice(0, 80)}) Not Found`;
      const info = await sessions.get(path.session_id, user.id, query.update_ts);
      if (!info) throw new LimnetError("not_found", missing);
      if (!query.image) return info;
      await sendDownload(res, info.image, info.image.split(/[/\\]/).at(-1)!, missing);
      return undefined;
    },
  });
}

function removeSession(): Endpoint {
  return endpoint({
    method: "delete", path: "/session/{session_id}", tag, role: "user", summary: "Ends a session", pathSchema, reply: json(session), fails: [404],
    async handle({ path, user, context: { sessions } }) {
      const info = await sessions.remove(path.session_id, user.id);
      if (!info) throw new LimnetError("not_found", "Session Not Found");
      return info;
    },
  });
}
