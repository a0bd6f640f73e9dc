/** /model: the files of a model. One model is several graphs, so that its file is an archive. Protocol 1.7. */
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { LimnetError } from "../../errors.js";
import type { Call, Endpoint } from "../endpoint.js";
import { endpoint } from "../endpoint.js";
import { sendZip, zipStream } from "../zip-out.js";
import { filePart } from "./schemas.js";

const tag = "Models";
const pathSchema = z.object({ model: z.string() });
type ModelCall = Call<z.infer<typeof pathSchema>, unknown>;

const infoReply = z.object({
  checksum: z.string().regex(/^SHA256:[0-9a-f]{64}$/).meta({ description: "Of the file that GET /model/{model} gives" }),
  modified_time: z.int().meta({ description: "Seconds since 1970" }),
}).meta({ id: "ModelInfo" });

export function modelRoutes(): Endpoint[] {
  return [
    endpoint({
      method: "get", path: "/model/{model}", tag, role: "admin", pathSchema, fails: [404],
      summary: "The files of a model as a zip archive: manifest.json and the graphs (ONNX)",
      reply: { "application/zip": filePart },
      conformance: { note: "A zip archive `<model>.zip`, as a model here is several ONNX graphs and their manifest." },
      async handle(call) {
        await sendZip(call.res, `${call.path.model}.zip`, filesOf(call), call.signal);
      },
    }),
    endpoint({
      method: "get", path: "/model/info/{model}", tag, role: "admin", pathSchema, fails: [404],
      summary: "Checksum and time of the model's file", reply: { "application/json": infoReply },
      conformance: { note: "Without `train_stats`: nothing is trained here." },
      async handle(call) {
        const files = filesOf(call);
        const { stream } = await zipStream(files);
        const hash = createHash("sha256");
        await pipeline(stream, hash, { signal: call.signal });
        const times = await Promise.all(files.map(async ({ path }) => (await stat(path)).mtimeMs));
        return { checksum: `SHA256:${hash.digest("hex")}`, modified_time: Math.floor(Math.max(...times) / 1000) };
      },
    }),
    ...(["put", "delete"] as const).map((method) => endpoint({
      method, path: "/model/{model}", tag, role: "annotator", pathSchema, fails: [404, 501],
      summary: "Refused: the weights of a running server are not changed over the network",
      ...(method === "put" && { body: { "multipart/form-data": { type: "object", properties: { file: filePart } } } }),
      conformance: {
        state: "refused" as const,
        note: "501 with a sentence (MONAI Label: 500 `Model File Name NOT configured` for models without a file). Weights are checked against a manifest when the server starts.",
      },
      handle({ path, context: { app } }) {
        if (!app.models.has(path.model)) throw notFound(path.model);
        throw new LimnetError("not_implemented", `Model File Name NOT configured for ${path.model}: the weights of a running server are not changed over the network. Put the new folder in place and name it with --conf models_dir.`);
      },
    })),
  ];
}

function filesOf({ path, context: { app } }: ModelCall): readonly { name: string; path: string }[] {
  const files = app.models.get(path.model)?.files?.() ?? [];
  if (files.length === 0) throw notFound(path.model);
  return files;
}

const notFound = (model: string) => new LimnetError("not_found", `Model File NOT Found for ${model.slice(0, 80)}`);
