/** Whole-slide inference (pathology): this server segments volumes. Protocol 1.10. */
import { z } from "zod";
import { LimnetError } from "../../errors.js";
import { type Endpoint, endpoint } from "../endpoint.js";

export function wsiRoutes(): Endpoint[] {
  return ["/infer/wsi/{model}", "/infer/wsi_v2/{model}"].map((path) => endpoint({
    method: "post", path, tag: "Inference", role: "user", summary: "Refused: no whole-slide images here",
    pathSchema: z.object({ model: z.string() }), fails: [501],
    conformance: { state: "refused", note: "501 with a sentence: no pathology." },
    handle() {
      throw new LimnetError("not_implemented", "This server segments volumes (CT, MR, PET) and does not read whole-slide images. Use POST /infer/{model} with a volume.");
    },
  }));
}
