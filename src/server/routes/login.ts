/** /login: a page for browsers whose viewer sends no token (auth/cookie.ts). Not served where no login is asked for. */
import type { Request, Response } from "express";
import { z } from "zod";
import { LimnetError } from "../../errors.js";
import { setLogin } from "../auth/cookie.js";
import { type Call, type Endpoint, endpoint } from "../endpoint.js";
import { ValidationError } from "../errors.js";
import { escaped, sendPage } from "../page.js";
import { readForm } from "../uploads.js";
import { loginTag } from "./auth.js";

const text = { type: "string" } as const;
const html = { "text/html": text };
const querySchema = z.object({ next: z.string().default("").meta({ description: "Where to go after it, on this server; default the viewer" }) });

export function loginRoutes(): Endpoint[] {
  return [
    endpoint({
      method: "get", path: "/login", tag: loginTag, role: "public", summary: "A page to log in for the viewer under /ohif/, which sends no token by itself",
      querySchema, reply: html,
      handle: ({ query, res, context: { config } }) => loginPage(res, 200, placeOf(query.next, config.prefix)),
    }),
    endpoint({
      method: "post", path: "/login", tag: loginTag, role: "public", summary: "Logs the browser in, as POST /auth/token does, and leads on",
      body: { "application/x-www-form-urlencoded": { type: "object", required: ["username", "password"], properties: { username: text, password: { type: "string", format: "password" }, next: text } } },
      reply: html, fails: [303, 400, 401, 413],
      handle: logIn,
    }),
    endpoint({
      method: "post", path: "/logout", tag: loginTag, role: "public", summary: "Forgets the login of the browser", reply: html, fails: [303],
      handle({ req, res, context: { config: { prefix } } }) {
        setLogin(req, res, null, prefix);
        res.redirect(303, `${prefix}/login`);
      },
    }),
  ];
}

async function logIn({ req, res, scratch, context: { config, auth } }: Call<unknown, unknown>): Promise<undefined> {
  const form = await readForm({ req, res, config, scratch, files: [], texts: [] });
  const [username, password, next] = [await form.text("username"), await form.text("password"), placeOf((await form.text("next")) ?? "", config.prefix)];
  if (!username) throw ValidationError.missing("username");
  if (!password) throw ValidationError.missing("password");
  const token = await auth.login(username, password);
  if (token === null) {
    const problem = "The name or the password is wrong.";
    if (req.accepts(["json", "html"]) !== "html") throw new LimnetError("not_authenticated", problem);
    return loginPage(res, 401, next, problem);
  }
  setLogin(req, res, token, config.prefix);
  res.setHeader("Cache-Control", "no-store");
  res.redirect(303, next);
  return undefined;
}

/** A place on this server, below the viewer or beside it; never another site's. */
function placeOf(next: string, prefix: string): string {
  const here = "http://here.invalid";
  const url = /^\/[^/\\]/.test(next) && URL.canParse(next, here) ? new URL(next, here) : null;
  return url?.origin === here ? url.pathname + url.search : `${prefix}/ohif/`;
}

/** Sends a browser that opens a page without a login to the one above; answers whether it did. */
export async function leadToLogin({ req, res, context: { auth, config } }: Pick<Call<unknown, unknown>, "req" | "res" | "context">): Promise<boolean> {
  if (!auth.enabled || !opensPage(req)) return false;
  const known = await auth.user(req).then(() => true, () => false);
  if (!known) res.redirect(303, `${config.prefix}/login?next=${encodeURIComponent(req.originalUrl)}`);
  return !known;
}

/** From another site the browser keeps the cookie back, so nothing is known of the login then: the viewer's own requests tell. */
function opensPage({ headers: { accept, "sec-fetch-mode": mode, "sec-fetch-site": site } }: Request): boolean {
  return /^text\/html\b/.test(accept ?? "") && (mode === undefined || mode === "navigate") && site !== "cross-site";
}

function loginPage(res: Response, status: number, next: string, problem = ""): undefined {
  res.setHeader("Cache-Control", "no-store");
  return sendPage(res, status, {
    title: "limnet: log in", width: "narrow",
    body: `<h1>Log in</h1>${problem && `<p role="alert">${escaped(problem)}</p>`}
<form method="post"><input type="hidden" name="next" value="${escaped(next)}">
<label>Name <input name="username" autocomplete="username" required autofocus></label>
<label>Password, or a token <input name="password" type="password" autocomplete="current-password" required></label>
<button>Log in</button></form>`,
  });
}
