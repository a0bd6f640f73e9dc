/** OpenAPI 3.1, generated from the same schemas that check the requests. */
import { OpenApiGeneratorV31, OpenAPIRegistry, type RouteConfig } from "@asteasolutions/zod-to-openapi";
import { z } from "zod";
import { accessOf, type Endpoint } from "./endpoint.js";

export type OpenApiDocument = ReturnType<OpenApiGeneratorV31["generateDocument"]>;

const failure = z.object({ detail: z.union([z.string(), z.array(z.record(z.string(), z.unknown()))]) })
  .meta({ id: "Failure", description: "What is wrong and what to do; parameters that do not fit come as a list." });

/** The document for `/openapi.json`. */
export function describeApi(endpoints: readonly Endpoint[], options: { version: string; prefix: string; auth: boolean }): OpenApiDocument {
  const registry = new OpenAPIRegistry();
  if (options.auth) {
    for (const [name, scheme] of Object.entries(securitySchemes(options.prefix))) registry.registerComponent("securitySchemes", name, scheme);
  }
  for (const one of endpoints) registry.registerPath(routeOf(one, options.auth));
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

/** The page at / offers both: a name with its password (or token) for which it fetches a token, or a token as it is. */
function securitySchemes(prefix: string) {
  return {
    login: {
      type: "oauth2", description: "Name and password of the identity provider, or the name of a token with the token as password",
      flows: { password: { tokenUrl: `${prefix}/auth/token`, scopes: {} } },
    },
    token: { type: "http", scheme: "bearer", description: "A token of `limnet token add`, or an access token of the identity provider" },
  } as const;
}

function routeOf(one: Endpoint, auth: boolean): RouteConfig {
  const access = accessOf(one);
  const failed = (description: string) => ({ description, content: { "application/json": { schema: failure } } });
  return {
    method: one.method,
    path: one.path,
    summary: one.summary,
    tags: [one.tag],
    ...(auth && { security: access === "public" ? [] : [{ login: [] }, { token: [] }] }),
    ...(access !== "public" && { description: access === "login" ? "Needs a login, where logins are asked for." : `Needs the role ${access}, where a login is asked for.` }),
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
