/**
 * Which web pages may use the server. A browser lets every page of the internet send requests to this machine; what keeps a hostile
 * one from reading scans is that its origin is refused here, and that a name it made point to this machine (DNS rebinding) is too.
 */
import { isIP } from "node:net";
import { hostname } from "node:os";
import cors from "cors";
import type { Request, RequestHandler } from "express";
import type { Log } from "../datastore/log.js";
import { type Config, isLoopback } from "./config.js";

/** Refuses pages and names that are not allowed, then sets the CORS headers for those that are. */
export function checkOrigins(config: Config, log: Log): RequestHandler[] {
  const refuse: RequestHandler = (req, res, next) => {
    res.vary("Origin");
    const refusal = hostProblem(config, req) ?? originProblem(config, req);
    if (refusal === null) return next();
    log.warn("page refused", { requestId: res.locals.requestId, reason: refusal.log });
    req.resume();
    res.status(refusal.status).json({ detail: refusal.detail });
  };
  const headers = cors((req, done) => done(null, {
    // Whoever came as far as this is allowed.
    origin: req.headers.origin !== undefined,
    credentials: true,
    methods: ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"],
    exposedHeaders: ["Content-Disposition", "X-Request-Id", "Retry-After"],
    maxAge: 600,
    preflightContinue: true,
  }));
  const preflight: RequestHandler = (req, res, next) => {
    if (req.method !== "OPTIONS" || !req.headers["access-control-request-method"]) return next();
    if (req.headers["access-control-request-private-network"] === "true") res.setHeader("Access-Control-Allow-Private-Network", "true");
    res.status(200).type("text/plain").send("OK");
  };
  return [refuse, headers, preflight];
}

interface Refusal {
  readonly status: number;
  readonly detail: string;
  readonly log: string;
}

/**
 * Without a login, a server for this machine answers to this machine's names only. Addresses cannot be made to point elsewhere, nor can
 * names without a dot by anybody outside one's own network.
 */
function hostProblem({ host, auth, allowHosts }: Config, req: Request): Refusal | null {
  const name = nameOf(req.headers.host);
  if (auth || name === "" || (!isLoopback(host) && allowHosts.length === 0)) return null;
  if (isLocalName(name) || isIP(name) !== 0 || !name.includes(".") || name === hostname().toLowerCase() || allowHosts.some((allowed) => allowed.toLowerCase() === name)) return null;
  const shown = name.slice(0, 100);
  return { status: 421, log: `host ${shown}`, detail: `This server does not answer to the name ${shown}. If it should, set LIMNET_ALLOW_HOSTS='["${shown}"]'.` };
}

function originProblem(config: Config, req: Request): Refusal | null {
  const { origin, "sec-fetch-site": site, "sec-fetch-mode": mode } = req.headers;
  if (origin === undefined) {
    // Pictures and scripts come without an origin; what another site embeds from here it has no business with.
    if (site !== "cross-site" || mode === undefined || mode === "navigate") return null;
    return { status: 403, log: "embedded by another site", detail: "Other sites may not embed what this server holds." };
  }
  if (isAllowed(config, origin, req)) return null;
  const shown = origin.slice(0, 200);
  return { status: 403, log: `origin ${shown}`, detail: `Pages of ${shown} may not use this server. If they may, start it with --allow-origin ${shown} (MONAI_LABEL_CORS_ORIGINS).` };
}

function isAllowed({ corsOrigins, auth }: Config, origin: string, req: Request): boolean {
  if (corsOrigins.includes("*") || corsOrigins.includes(origin) || req.headers["sec-fetch-site"] === "same-origin") return true;
  const url = URL.canParse(origin) ? new URL(origin) : null;
  if (!url) return false;
  if (url.host === req.headers.host?.toLowerCase()) return true;
  if (auth) return false;
  // A viewer on another port of the same machine, as OHIF usually is.
  const [page, here] = [nameOf(url.host), nameOf(req.headers.host)];
  return page === here || (isLocalName(page) && isLocalName(here));
}

/** "LocalHost.:8000" is localhost, "[::1]:8000" is ::1. */
function nameOf(host: string | undefined): string {
  const [, bracketed, plain = ""] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(host ?? "") ?? [];
  return (bracketed ?? plain).toLowerCase().replace(/\.$/, "");
}

function isLocalName(name: string): boolean {
  return isLoopback(name) || name.endsWith(".localhost");
}
