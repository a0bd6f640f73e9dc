/** A route and its description are one object: what runs and what /openapi.json says cannot differ. */
import type { Request, RequestHandler, Response, Router } from "express";
import type { z } from "zod";
import type { Access, User } from "./auth/roles.js";
import { Scratch, type ServerContext, scratchRoot } from "./context.js";
import { ValidationError } from "./errors.js";

export type Method = "get" | "head" | "put" | "post" | "delete";

/** JSON schema of a body or reply, as OpenAPI writes it. */
export type BodySchema = Readonly<Record<string, unknown>>;

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
  readonly body?: Readonly<Record<string, BodySchema>>;
  /** Content type and schema of a 200; application/json of any shape where absent. */
  readonly reply?: Readonly<Record<string, BodySchema>>;
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

/** "/infer/{model}" as Express writes it. */
export function expressPath(path: string): string {
  return path.replace(/\{(\w+)\}/g, ":$1");
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
        path: parse("path", one.pathSchema, req.params),
        query: parse("query", one.querySchema, req.query),
        req, res, context, scratch, user,
        signal: AbortSignal.any([gone.signal, context.closing]),
      });
      if (reply !== undefined) res.status(200).json(reply);
    } finally {
      await scratch.remove().catch((error: Error) => context.log.warn("temporary folder not removed", { error: error.message }));
    }
  };
}

function parse(place: "path" | "query", schema: z.ZodObject | undefined, input: Record<string, unknown>): unknown {
  const parsed = schema?.safeParse(input);
  if (parsed && !parsed.success) throw ValidationError.of(place, parsed.error, input);
  return parsed?.data ?? {};
}
