/** The few pages of ours for people: one look, no script, nothing from elsewhere. */
import { createHash } from "node:crypto";
import type { Response } from "express";

const style = `body { font: 1rem/1.4 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
body.narrow { max-width: 22rem; margin-top: 15vh } body.wide { max-width: none }
label, input, button { display: block; width: 100%; box-sizing: border-box; font: inherit } input, button { padding: .5rem; margin: .2rem 0 1rem }
[role=alert], .error { color: #a00 } .warn { color: #850 }
table { border-collapse: collapse; width: 100%; font: .85rem/1.4 monospace } td { padding: .15rem .6rem .15rem 0; vertical-align: top; border-top: 1px solid #eee }
td:first-child { white-space: nowrap; color: #666 } td:last-child { overflow-wrap: anywhere } pre { white-space: pre-wrap; overflow-wrap: anywhere }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 } td { border-color: #333 } a { color: #8bf } [role=alert], .error { color: #f88 } .warn { color: #fc6 } }`;
const policy = `default-src 'none'; style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'`;

export interface Page {
  readonly title: string;
  /** HTML; what comes from elsewhere in it has to be escaped. */
  readonly body: string;
  readonly width?: "narrow" | "wide";
  /** Seconds after which the browser asks again. */
  readonly refresh?: number;
}

export function sendPage(res: Response, status: number, { title, body, width, refresh }: Page): undefined {
  res.status(status).type("text/html");
  res.setHeader("Content-Security-Policy", policy);
  res.send(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">${refresh === undefined ? "" : `<meta http-equiv="refresh" content="${refresh}">`}<title>${escaped(title)}</title>
<style>${style}</style></head>
<body${width ? ` class="${width}"` : ""}>${body}</body></html>
`);
  return undefined;
}

/** Text as HTML, also inside an attribute. */
export function escaped(value: string): string {
  return value.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
