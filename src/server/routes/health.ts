/** Probes for service managers. */
import { type Endpoint, endpoint } from "../endpoint.js";

export function healthRoutes(): Endpoint[] {
  return [
    endpoint({
      method: "get", path: "/healthz", tag: "Health", role: "public", summary: "The process answers",
      handle: () => ({ status: "ok" }),
    }),
    endpoint({
      method: "get", path: "/readyz", tag: "Health", role: "public", summary: "Models are there and the studies can be read",
      async handle({ context: { app, datastore }, res }) {
        const models = app.models.size > 0;
        const studies = await datastore.stats().then(() => true, () => false);
        if (models && studies) return { status: "ready" };
        res.status(503).json({ detail: models ? "The studies cannot be read." : "The app has no model." });
        return undefined;
      },
    }),
  ];
}
