/** GET /limnet/v1/outbox: labels that are not in the archive yet, and why. */
import { z } from "zod";
import { type Endpoint, endpoint } from "../endpoint.js";

const entry = z.object({
  id: z.string(),
  image: z.string().meta({ description: "Series that the label belongs to" }),
  study: z.string(),
  series: z.string().meta({ description: "Series of the label itself" }),
  instance: z.string(),
  created: z.string(),
  attempts: z.number().int(),
  lastAttempt: z.string().nullable(),
  state: z.enum(["waiting", "refused"]),
  reason: z.string().meta({ description: "Why it is still here; empty before the first attempt" }),
}).meta({ id: "OutboxEntry" });

export function outboxRoutes(): Endpoint[] {
  return [
    endpoint({
      method: "get", path: "/limnet/v1/outbox", tag: "DICOMweb", role: "annotator",
      summary: "Labels that wait to be in the archive; empty where all are, or where there is no archive",
      reply: { "application/json": z.object({ waiting: z.array(entry) }) },
      conformance: { note: "Labels that wait to be in the archive, and why" },
      handle: ({ context: { archive } }) => ({ waiting: archive?.outbox.list() ?? [] }),
    }),
    endpoint({
      method: "post", path: "/limnet/v1/outbox", tag: "DICOMweb", role: "annotator",
      summary: "Tries to send all that waits, now; what still waits afterwards",
      reply: { "application/json": z.object({ waiting: z.array(entry) }) },
      conformance: { note: "Sends what waits, now" },
      async handle({ context: { archive } }) {
        if (!archive) return { waiting: [] };
        for (const { id } of archive.outbox.list()) await archive.outbox.send(id);
        return { waiting: archive.outbox.list() };
      },
    }),
  ];
}
