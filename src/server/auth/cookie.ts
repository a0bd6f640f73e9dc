/**
 * The login of a browser page that has no way to send a token: OHIF under /ohif/ sends none. A cookie is sent by the browser unasked,
 * so it counts for pages of this server only, whatever else the browser shows: SameSite keeps other sites out, and what the browser
 * says of the sender keeps out pages of the same machine on other ports, which count as the same site.
 */
import type { Request, Response } from "express";
import { LimnetError } from "../../errors.js";

const name = "limnet_login";
/** Browsers take 4096 bytes with name and attributes, and drop a longer cookie without a word. */
const longest = 3900;

/** The token in the cookie of a request from a page of this server; null where there is none, or somebody else may have sent it. */
export function cookieToken(req: Request): string | null {
  const found = new RegExp(`(?:^|;\\s*)${name}=([^;\\s]+)`).exec(req.headers.cookie ?? "")?.[1];
  return found !== undefined && fromOwnPage(req) ? found : null;
}

/** Keeps the token in the browser until it is closed; null forgets it. `path`: below which it is sent. */
export function setLogin(req: Request, res: Response, token: string | null, path: string): void {
  if (token !== null && (token.length > longest || !/^[\w.~+/=-]+$/.test(token))) {
    throw new LimnetError("bad_request", "The token of your identity provider is too long for a browser to keep. Ask for one with fewer claims, or use a token of `limnet token add`.");
  }
  const secure = req.secure ? "; Secure" : "";
  res.append("Set-Cookie", `${name}=${token ?? ""}; Path=${path || "/"}; HttpOnly; SameSite=Strict${secure}${token === null ? "; Max-Age=0" : ""}`);
}

/** Browsers that say where a request comes from say it; else an unsafe one needs an origin, which they always send along. */
function fromOwnPage({ method, headers: { origin, host, "sec-fetch-site": site } }: Request): boolean {
  if (site === "same-origin") return true;
  if (site !== undefined && site !== "none") return false;
  if (origin === undefined) return method === "GET" || method === "HEAD";
  return URL.canParse(origin) && new URL(origin).host === host?.toLowerCase();
}
