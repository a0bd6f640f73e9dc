/** Probes for service managers, figures for Prometheus. */
import { statfs } from "node:fs/promises";
import { z } from "zod";
import { LimnetError } from "../../errors.js";
import type { ServerContext } from "../context.js";
import { type Endpoint, endpoint } from "../endpoint.js";
import { json } from "./replies.js";

/** Less free disk than this, and journals could not be written soon. */
const leastDiskBytes = 64 * 2 ** 20;
const text = { type: "string" } as const;

export function healthRoutes(): Endpoint[] {
  return [
    endpoint({
      method: "get", path: "/healthz", tag: "Health", role: "public", summary: "The process answers",
      reply: json(z.object({ status: z.string() })),
      handle: () => ({ status: "ok" }),
    }),
    endpoint({
      method: "get", path: "/readyz", tag: "Health", role: "public",
      summary: "A click would be answered now: models, studies, queue and disk are there; else 503 with what is missing",
      reply: json(z.object({ status: z.string() })),
      async handle({ context }) {
        const problem = await missing(context);
        if (problem !== null) throw problem;
        return { status: "ready" };
      },
    }),
    endpoint({
      method: "get", path: "/metrics", tag: "Health", role: "public", summary: "Figures for Prometheus; nobody and no image is named",
      reply: { "text/plain": text },
      async handle({ context: { metrics }, res }) {
        const figures = await metrics.registry.metrics();
        res.setHeader("Content-Type", metrics.registry.contentType);
        res.status(200).end(figures);
        return undefined;
      },
    }),
  ];
}

async function missing({ app, datastore, config, stopping }: ServerContext): Promise<LimnetError | null> {
  const no = (sentence: string) => new LimnetError("not_ready", sentence);
  if (stopping.aborted) return no("The server is stopping.");
  if (app.models.size === 0) return no("The app has no model.");
  if (!await datastore.stats().then(() => true, () => false)) return no("The studies cannot be read.");
  // The state folder may not have been needed yet.
  const disk = await statfs(config.state).catch(() => statfs(config.studies)).catch(() => null);
  if (disk === null) return no("The state folder cannot be read.");
  if (disk.bavail * disk.bsize < leastDiskBytes) return no("The disk of the state folder is full.");
  return app.queue?.check().then(() => null, (error: Error) => (error instanceof LimnetError ? error : no("The queue does not answer."))) ?? null;
}
