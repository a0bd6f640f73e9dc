/** How often one address may ask. */
import type { Request, RequestHandler } from "express";
import { type Options, rateLimit } from "express-rate-limit";
import { LimnetError } from "../errors.js";
import type { Config } from "./config.js";

const windowMs = 60_000;

/** Requests a minute. */
export function requestRate({ requestsPerMinute: limit }: Config): RequestHandler {
  if (limit === 0) return unlimited;
  return rateLimit({ ...common, limit, handler: refuse("requests", "LIMNET_REQUESTS_PER_MINUTE") });
}

/** Refused logins a minute; those that succeed do not count. */
export function loginRate({ failedLogins: limit }: Config): RequestHandler {
  if (limit === 0) return unlimited;
  return rateLimit({ ...common, limit, skipSuccessfulRequests: true, handler: refuse("failed logins", "LIMNET_FAILED_LOGINS") });
}

const unlimited: RequestHandler = (_req, _res, next) => next();

const common = { windowMs, standardHeaders: false, legacyHeaders: false, validate: false } as const satisfies Partial<Options>;

function refuse(what: string, setting: string): Options["handler"] {
  return (req, _res, next) => {
    const { resetTime } = (req as Request & { rateLimit?: { resetTime?: Date } }).rateLimit ?? {};
    const left = Math.max(1, Math.ceil(((resetTime?.getTime() ?? Date.now() + windowMs) - Date.now()) / 1000));
    next(new LimnetError("too_many", `Too many ${what} from this address within a minute. Try again in ${left} s (${setting}).`, { retryAfter: left }));
  };
}
