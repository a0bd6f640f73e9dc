/** OpenAPI 3.1, generated from the same schemas that check the requests. */
import { OpenApiGeneratorV31, OpenAPIRegistry, type RouteConfig } from "@asteasolutions/zod-to-openapi";
import { z } from "zod";
import type { Endpoint } from "./endpoint.js";

export type OpenApiDocument = ReturnType<OpenApiGeneratorV31["generateDocument"]>;

const failure = z.object({ detail: z.union([z.string(), z.array(z.record(z.string(), z.unknown()))]) })
  .meta({ id: "Failure", description: "What is wrong and what to do; parameters that do not fit come as a list." });

/** The document for `/openapi.json`. */
export function describeApi(endpoints: readonly Endpoint[], options: { version: string; prefix: string }): OpenApiDocument {
  const registry = new OpenAPIRegistry();
  for (const one of endpoints) registry.registerPath(routeOf(one));
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: "3.1.0",
    info: {
      title: "limnet",
      version: options.version,
      description: "Segments a 3D scan by a few clicks. Speaks the protocol of MONAI Label, so that 3D Slicer, OHIF and MITK work with it unchanged.",
    },
    servers: [{ url: options.prefix || "/" }],
  });
}

function routeOf(one: Endpoint): RouteConfig {
  const failed = (description: string) => ({ description, content: { "application/json": { schema: failure } } });
  return {
    method: one.method,
    path: one.path,
    summary: one.summary,
    tags: [one.tag],
    request: {
      ...(one.pathSchema && { params: one.pathSchema as never }),
      ...(one.querySchema && { query: one.querySchema as never }),
      ...(one.body && { body: { content: contents(one.body) } }),
    },
    responses: {
      200: one.method === "head" ? { description: "There" } : { description: "Done", content: contents(one.reply ?? { "application/json": {} }) },
      "4XX": failed("The request cannot be served as it is"),
      "5XX": failed("The server cannot serve it now"),
    },
  };
}

function contents(schemas: NonNullable<Endpoint["body"]>) {
  return Object.fromEntries(Object.entries(schemas).map(([type, schema]) => [type, { schema: schema as never }]));
}
