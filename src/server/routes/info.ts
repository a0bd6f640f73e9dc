/** GET /info/: what the app can do. Clients build their panels from it. */
import { type Endpoint, endpoint } from "../endpoint.js";
import { appInfo, json } from "./replies.js";

export function infoRoutes(): Endpoint[] {
  return [endpoint({
    method: "get",
    path: "/info/",
    tag: "App",
    role: "user",
    summary: "Name, labels, models, strategies and the state of the datastore",
    reply: json(appInfo),
    async handle({ context: { app, datastore } }) {
      const models = [...app.models].map(([name, task]) => [name, {
        type: task.type,
        labels: task.labels,
        dimension: task.dimension,
        description: task.description,
        config: task.config(),
      }]);
      const strategies = [...app.strategies].map(([name, strategy]) => [name, { description: strategy.description }]);
      // No `config` here: 3D Slicer takes a server with one for an outdated one.
      return {
        name: app.name,
        description: app.description,
        version: app.version,
        labels: [...app.labels],
        models: Object.fromEntries(models),
        trainers: {},
        strategies: Object.fromEntries(strategies),
        scoring: Object.fromEntries([...app.scoring ?? []].map(([name, { description }]) => [name, { description }])),
        train_stats: {},
        datastore: await datastore.stats(),
      };
    },
  })];
}
