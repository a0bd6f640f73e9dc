/** OpenAPI 3.1, generated from the same schemas that check the requests. */
import { OpenApiGeneratorV31, OpenAPIRegistry, type RouteConfig } from "@asteasolutions/zod-to-openapi";
import { z } from "zod";
import type { Access } from "./auth/roles.js";
import { accessOf, type Endpoint, operationId } from "./endpoint.js";

export type OpenApiDocument = ReturnType<OpenApiGeneratorV31["generateDocument"]>;

const failure = z.object({ detail: z.union([z.string(), z.array(z.record(z.string(), z.unknown()))]) })
  .meta({ id: "Failure", description: "What is wrong and what to do; parameters that do not fit come as a list." });

/** What a status of failure means here. */
const meanings: Readonly<Record<number, string>> = {
  303: "Leads on to a page",
  400: "A part of the request cannot be read",
  401: "Log in first",
  403: "The role of the user is not enough",
  404: "What is named is not there",
  406: "This feature is switched off",
  409: "It does not fit what is there",
  413: "Larger than this server accepts",
  422: "A parameter or part is missing or does not fit",
  429: "Too much at once",
  500: "It failed; the log says more",
  501: "This server does not do that; the sentence says what to do instead",
  502: "The archive behind this server does not answer as it should",
  503: "Busy, or not ready",
  504: "No answer in time; what is finished is kept",
  507: "No room for it",
};

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
  return {
    method: one.method,
    path: one.path,
    operationId: operationId(one),
    summary: one.summary,
    tags: [one.tag],
    ...(auth && { security: access === "public" ? [] : [{ login: [] }, { token: [] }] }),
    ...(access !== "public" && { description: access === "login" ? "Needs a login, where logins are asked for." : `Needs the role ${access}, where a login is asked for.` }),
    request: {
      ...(one.pathSchema && { params: one.pathSchema as never }),
      ...(one.querySchema && { query: one.querySchema as never }),
      ...(one.body && { body: { content: contents(one.body) } }),
    },
    responses: { 200: success(one), ...failures(one, auth ? access : "public") },
  };
}

function success(one: Endpoint): RouteConfig["responses"][number] {
  if (one.method === "head") return { description: "There" };
  const links = Object.entries(one.links ?? {}).map(([name, { operation, parameters }]) => [name, { operationId: operation, parameters: { ...parameters } }]);
  return {
    description: "Done",
    content: contents(one.reply ?? { "application/json": {} }),
    ...(links.length > 0 && { links: Object.fromEntries(links) }),
  };
}

/** The statuses to expect, and the two ranges: any request may be cut off, come at a bad moment, or fail. */
function failures(one: Endpoint, access: Access): RouteConfig["responses"] {
  const login = access === "public" ? [] : access === "login" ? [401] : [401, 403];
  const checked = one.pathSchema || one.querySchema || one.body ? [422] : [];
  const statuses = [...new Set([...login, ...checked, ...(one.fails ?? [])])].sort((a, b) => a - b);
  const failed = (description: string, content = true) => ({ description, ...(content && one.method !== "head" && { content: { "application/json": { schema: failure } } }) });
  return {
    ...Object.fromEntries(statuses.map((status) => [status, failed(meanings[status] ?? "It cannot be done", status >= 400)])),
    "4XX": failed("The request cannot be served as it is"),
    "5XX": failed("The server cannot serve it now"),
  };
}

function contents(schemas: NonNullable<Endpoint["reply"]>) {
  return Object.fromEntries(Object.entries(schemas).map(([type, schema]) => [type, { schema: schema as never }]));
}
