/** A mask on its way to a client, in the forms that MONAI Label has for it. */
import { randomBytes } from "node:crypto";
import type { Response } from "express";
import type { InferResult } from "../apps/app.js";
import { LimnetError } from "../errors.js";
import { sendBytes, sendDownload, sendMultipart } from "./downloads.js";

/** Returns the JSON reply, or undefined where it answered by itself. Throws unsupported_output where an image is wanted and none is there. */
export async function sendResult(res: Response, output: string | undefined, { file, json }: InferResult): Promise<unknown> {
  if (output === "json") return json;
  if (!file) {
    if (output === "image") throw new LimnetError("unsupported_output", "This request gives no file. Ask for output=json, or leave out result_write_to_file.");
    return json;
  }
  // Never the client's name nor the id: clients join this name to a folder of theirs.
  const name = `mask-${randomBytes(6).toString("hex")}${file.ext}`;
  if (output !== "image") await sendMultipart(res, json, { ...file, name });
  else if (file.parts) await sendBytes(res, file.parts, name);
  else await sendDownload(res, file.path, name, "The result is gone. Send the request again.");
  return undefined;
}
