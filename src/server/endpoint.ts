/** A route and its description are one object: what runs and what /openapi.json says cannot differ. */
import type { Request, RequestHandler, Response, Router } from "express";
import type { z } from "zod";
import type { Access, User } from "./auth/roles.js";
import { LimnetError } from "../errors.js";
import { closing } from "../jobs/local.js";
import { Scratch, type ServerContext, scratchRoot } from "./context.js";
import { ValidationError } from "./errors.js";

export type Method = "get" | "head" | "put" | "post" | "delete";

/** JSON schema of a body or reply, as OpenAPI writes it. */
export type BodySchema = Readonly<Record<string, unknown>>;

/** A JSON schema, or the zod schema that it is made of. */
export type Described = z.ZodType | BodySchema;

/** Where a reply leads: a parameter of another operation and the place in this request or reply that fills it (OpenAPI link). */
export interface Link {
  /** As `operationId` spells it. */
  readonly operation: string;
  /** Parameter name to a run-time expression such as "$response.body#/image". */
  readonly parameters: Readonly<Record<string, string>>;
}

/** How an endpoint stands to the protocol, for docs/conformance.md. */
export interface Conformance {
  /** "partly": answers, with something left out; "refused": answers 501 or 4xx with a sentence. Absent: whole. */
  readonly state?: "partly" | "refused";
  /** What a client notices, where it differs from MONAI Label. */
  readonly note: string;
}

/** One request on its way. */
export interface Call<Path, Query> {
  readonly path: Path;
  readonly query: Query;
  readonly req: Request;
  readonly res: Response;
  readonly context: ServerContext;
  /** Who asks; the stand-in `nobody` where no login is asked for. */
  readonly user: User;
  /** Aborted when the client hangs up or the server stops. */
  readonly signal: AbortSignal;
  readonly scratch: Scratch;
}

export interface Endpoint<Path = unknown, Query = unknown> {
  readonly method: Method;
  /** With its parameters in braces, as OpenAPI spells it: "/infer/{model}". */
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  /** The role that it takes to call this (protocol 1.3); "user" where nothing is said. */
  readonly role?: Access;
  /** Query parameter with the id of an image that a download grant may stand for (auth/grants.ts). */
  readonly grant?: string;
  readonly pathSchema?: z.ZodObject;
  readonly querySchema?: z.ZodObject;
  /** Content type and schema of the request body. */
  readonly body?: Readonly<Record<string, Described>>;
  /** Content type and schema of a 200; application/json of any shape where absent. */
  readonly reply?: Readonly<Record<string, Described>>;
  /** Statuses of failure to expect here, beside 422 for parameters that do not fit. */
  readonly fails?: readonly number[];
  /** What a client may do with the reply, by name. */
  readonly links?: Readonly<Record<string, Link>>;
  readonly conformance?: Conformance;
  readonly handle: (call: Call<Path, Query>) => Promise<unknown> | unknown;
}

type Shape<S> = S extends z.ZodObject ? z.infer<S> : Record<string, never>;

/** Describes an endpoint; the schemas give the types of `call.path` and `call.query`. */
export function endpoint<P extends z.ZodObject | undefined = undefined, Q extends z.ZodObject | undefined = undefined>(
  description: Omit<Endpoint, "handle" | "pathSchema" | "querySchema"> & {
    pathSchema?: P;
    querySchema?: Q;
    /** Returns the JSON reply, or undefined where it answered by itself. */
    handle: (call: Call<Shape<P>, Shape<Q>>) => Promise<unknown> | unknown;
  },
): Endpoint {
  return description as unknown as Endpoint;
}

/** What it takes to call an endpoint: one that says nothing is not for everyone. */
export function accessOf(one: Endpoint): Access {
  return one.role ?? "user";
}

/** "/infer/{model}" as Express writes it. A parameter called `path` takes the rest of the address, slashes included. */
export function expressPath(path: string): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => (name === "path" ? "*path" : `:${name}`));
}

/** Name of an endpoint in /openapi.json: "post_infer_model" for POST /infer/{model}. */
export function operationId({ method, path }: Pick<Endpoint, "method" | "path">): string {
  return [method, ...path.split("/")].map((part) => part.replace(/\W/g, "")).filter(Boolean).join("_");
}

/** Registers endpoints; other verbs on their paths get 405 with Allow. */
export function mount(router: Router, endpoints: readonly Endpoint[], context: ServerContext): void {
  for (const path of new Set(endpoints.map((one) => one.path))) {
    const here = endpoints.filter((one) => one.path === path);
    const route = router.route(expressPath(path));
    // HEAD first: Express answers it with the handler of GET otherwise.
    for (const one of [...here].sort((a, b) => Number(b.method === "head") - Number(a.method === "head"))) route[one.method](handler(one, context));
    const allow = here.map((one) => one.method.toUpperCase()).join(", ");
    route.all((_req, res) => {
      res.setHeader("Allow", allow);
      res.status(405).json({ detail: "Method Not Allowed" });
    });
  }
}

function handler(one: Endpoint, context: ServerContext): RequestHandler {
  return async (req, res) => {
    res.locals.route = one.path;
    const gone = new AbortController();
    res.once("close", () => {
      if (!res.writableFinished) gone.abort();
    });
    const scratch = new Scratch(scratchRoot(context.config));
    try {
      // Before anything else of the request is looked at.
      const user = await context.auth.admit(req, accessOf(one), one.grant && String(req.query[one.grant] ?? ""));
      res.locals.user = user.id;
      const reply = await one.handle({
        path: parse("path", one.pathSchema, joined(req.params)),
        query: parse("query", one.querySchema, req.query),
        req, res, context, scratch, user,
        signal: AbortSignal.any([gone.signal, context.closing]),
      });
      if (reply !== undefined) res.status(200).json(reply);
    } catch (error) {
      const stopped = context.closing.aborted && error instanceof LimnetError && error.code === "engine_cancelled";
      throw stopped ? closing() : error;
    } finally {
      await scratch.remove().catch((error: Error) => context.log.warn("temporary folder not removed", { error: error.message }));
    }
  };
}

/** Express gives the rest of an address as a list of its segments. */
function joined(params: Record<string, string | string[]>): Record<string, string> {
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, Array.isArray(value) ? value.join("/") : value]));
}

function parse(place: "path" | "query", schema: z.ZodObject | undefined, input: Record<string, unknown>): unknown {
  const parsed = schema?.safeParse(input);
  if (parsed && !parsed.success) throw ValidationError.of(place, parsed.error, input);
  return parsed?.data ?? {};
}
