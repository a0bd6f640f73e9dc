/** /session/: an image on loan. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { isDicomFile } from "../../dicom/files.js";
import type { FrameDecoder } from "../../dicom/types.js";
import { LimnetError } from "../../errors.js";
import { readHeader } from "../../imaging/read.js";
import type { Config } from "../config.js";
import type { Scratch } from "../context.js";
import { sendDownload } from "../downloads.js";
import { type Endpoint, endpoint } from "../endpoint.js";
import { ValidationError } from "../errors.js";
import { writeSeries } from "../series.js";
import { fileOf, type SessionContent } from "../sessions.js";
import { readForm, splitUploadName, type Upload } from "../uploads.js";
import { unpackZip } from "../zip-in.js";
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
    method: "put", path: "/session/", tag, role: "user", summary: "Lends the server an image: one volume, the files of a DICOM series, or with uncompress a zip archive of either",
    querySchema: z.object({ uncompress: booleanText, expiry: z.coerce.number().int().min(0).default(0) }),
    body: { "multipart/form-data": { type: "object", properties: { files: { type: "array", items: filePart, minItems: 1 } }, required: ["files"] } },
    conformance: { note: "A DICOM series is read at once, so that a series that cannot be read is refused here; a single DICOM file counts as a series. Archives: zip." },
    reply: json(newSession), fails: [400, 406, 413, 429], links: sessionLinks,
    async handle({ query, req, res, scratch, user, signal, context: { config, sessions, decoder } }) {
      if (!config.sessions) throw new LimnetError("sessions_off", "Session Feature is Not Enabled");
      // A few parts more than files, for what clients send along.
      const form = await readForm({ req, res, config, scratch, files: ["files"], texts: [], maxParts: config.maxSeriesFiles + 16 });
      const uploads = form.files("files");
      if (uploads.length === 0) throw ValidationError.missing("files");
      const content = await contentOf(uploads, query.uncompress, { config, scratch, signal, decoder });
      const info = await sessions.create(content, query.expiry, user.id);
      return { session_id: info.name, session_info: info };
    },
  });
}

/** One volume stays the file that it is; everything else has to be a DICOM series, of which a volume is made. */
async function contentOf(
  uploads: readonly Upload[], uncompress: boolean, { config, scratch, signal, decoder }: { config: Config; scratch: Scratch; signal: AbortSignal; decoder: FrameDecoder },
): Promise<SessionContent> {
  let paths = uploads.map(({ path }) => path);
  if (uncompress) {
    const folder = join(await scratch.folder(), "unpacked");
    await mkdir(folder);
    if (paths.length > 1) throw new LimnetError("bad_request", "With uncompress=true send one archive, a .zip of the files.");
    paths = await unpackZip(paths[0], folder, config, signal);
    if (paths.length === 0) throw new LimnetError("bad_request", "There is no file in the archive.");
  }
  if (paths.length === 1 && !(await isDicomFile(paths[0]))) {
    await readHeader(paths[0], config);
    return { volume: { path: paths[0], ext: splitUploadName(paths[0]).ext }, series: [] };
  }
  const volume = join(await scratch.folder(), "series.nii.gz");
  await writeSeries(paths, volume, { maxVoxels: config.maxVoxels, signal, decoder });
  return { volume: { path: volume, ext: ".nii.gz" }, series: paths };
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
      const { path: file, name } = fileOf(info);
      await sendDownload(res, file, name, missing);
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
