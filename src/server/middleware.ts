/** What every request passes: an id, a log line, security headers. */
import { randomUUID } from "node:crypto";
import type { Request, RequestHandler } from "express";
import helmet from "helmet";
import type { Log } from "../datastore/log.js";
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
    // Log, gate, metrics and the pipe of a download all wait for its end: more than the ten from which Node warns of a leak.
    res.setMaxListeners(20);
    res.once("close", () => {
      // A page that watches the log must not fill it.
      const quiet = res.locals.route === undefined || String(res.locals.route).startsWith("/logs/");
      const level = res.statusCode >= 500 && res.statusCode !== 501 ? "error" : quiet ? "debug" : "info";
      log[level]("request", {
        requestId,
        method: req.method,
        route: res.locals.route ?? "(no route)",
        ...image(req),
        status: res.writableFinished ? res.statusCode : "client gone",
        ...(res.locals.user && { user: res.locals.user }),
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

/** Nothing may be loaded, framed or sent by what an API answers; pages say what they need (`pagePolicy`). */
export function securityHeaders(): RequestHandler {
  return helmet({
    contentSecurityPolicy: { useDefaults: false, directives: { "default-src": ["'none'"], "base-uri": ["'none'"], "form-action": ["'none'"], "frame-ancestors": ["'none'"] } },
    // Whether there is https in front is not known here; inside a hospital there often is none.
    strictTransportSecurity: false,
    crossOriginResourcePolicy: { policy: "same-site" },
    xFrameOptions: { action: "deny" },
  });
}

/** For a page of ours: its own scripts, styles and requests, plus what it names; never anything of another server. */
export function pagePolicy(more: Readonly<Record<string, readonly string[]>> = {}): RequestHandler {
  const own = ["'self'"];
  const none = ["'none'"];
  const base: Record<string, readonly string[]> = {
    "default-src": none, "script-src": own, "style-src": own, "img-src": own, "font-src": own, "connect-src": own,
    "base-uri": none, "form-action": own, "frame-ancestors": none,
  };
  const directives = Object.fromEntries(Object.entries({ ...base, ...more }).map(([name, sources]) => [name, [...sources]]));
  return helmet.contentSecurityPolicy({ useDefaults: false, directives });
}
