/** What every request passes: an id, a log line, security headers, CORS. */
import { randomUUID } from "node:crypto";
import cors from "cors";
import type { Request, RequestHandler } from "express";
import helmet from "helmet";
import type { Log } from "../datastore/log.js";
import type { Config } from "./config.js";
import { hashed } from "./logger.js";

/** Query strings as HTML forms write them: "+" is a space, the last of repeated keys counts, brackets mean nothing. */
export function parseQuery(text: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(text ?? ""));
}

/** Gives the request an id and logs one line when it is over. */
export function requestLog(log: Log): RequestHandler {
  return (req, res, next) => {
    const started = performance.now();
    const requestId = randomUUID();
    res.locals.requestId = requestId;
    res.setHeader("X-Request-Id", requestId);
    res.once("close", () => {
      // A page that watches the log must not fill it.
      const quiet = res.locals.route === undefined || String(res.locals.route).startsWith("/logs/");
      const level = res.statusCode >= 500 ? "error" : quiet ? "debug" : "info";
      log[level]("request", {
        requestId,
        method: req.method,
        route: res.locals.route ?? "(no route)",
        ...image(req),
        status: res.writableFinished ? res.statusCode : "client gone",
        milliseconds: Math.round(performance.now() - started),
      });
    });
    next();
  };
}

function image(req: Request): Record<string, string> {
  const id = req.query.image ?? req.query.label ?? req.query.id;
  return typeof id === "string" && id !== "" ? { image: hashed(id) } : {};
}

/** Helmet without what would break plain http in a hospital's network. */
export function securityHeaders(): RequestHandler {
  return helmet({
    contentSecurityPolicy: { directives: { "upgrade-insecure-requests": null } },
    strictTransportSecurity: false,
    // Viewers on other origins may show what CORS lets them read.
    crossOriginResourcePolicy: { policy: "cross-origin" },
  });
}

/** Echoes the origin and allows credentials, on errors too; any origin unless a list is set. */
export function crossOrigin(config: Config): RequestHandler[] {
  const headers = cors({
    origin: config.corsOrigins.length > 0 ? [...config.corsOrigins] : true,
    credentials: true,
    methods: ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"],
    exposedHeaders: ["Content-Disposition", "X-Request-Id"],
    maxAge: 600,
    preflightContinue: true,
  });
  const preflight: RequestHandler = (req, res, next) => {
    if (req.method !== "OPTIONS" || !req.headers["access-control-request-method"]) return next();
    res.status(200).type("text/plain").send("OK");
  };
  return [headers, preflight];
}
