/** /ohif/: a build of the OHIF viewer, where one is given. Protocol 1.9. */
import { realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import type { Request, Response } from "express";
import { z } from "zod";
import { LimnetError } from "../../errors.js";
import { type Endpoint, endpoint } from "../endpoint.js";
import { escaped, sendPage } from "../page.js";
import { leadToLogin } from "./login.js";

const tag = "Viewer";
/** OHIF runs WebAssembly and workers made of blobs, and has scripts and styles in its page; all of it comes from this server. */
const policy = [
  "default-src 'self'", "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:", "worker-src 'self' blob:", "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:", "font-src 'self' data:", "connect-src 'self' data: blob:", "frame-ancestors 'self'", "object-src 'none'",
].join(";");

export function ohifRoutes(): Endpoint[] {
  return [undefined, z.object({ path: z.string() })].map((pathSchema) => endpoint({
    method: "get", path: pathSchema ? "/ohif/{path}" : "/ohif/", tag, role: "public", pathSchema, fails: [404],
    summary: "A file of the OHIF viewer; its index where there is no such file",
    reply: { "*/*": { type: "string", format: "binary" } },
    conformance: { note: "Serves the folder named by --ohif, files in sub-folders too (quirk 18); without it 404 `Resource NOT Found`, to browsers as a page that says how. Open without a login, as a browser sends none for a page; a browser that opens it without one is led to /login." },
    async handle(call) {
      const { path, req, res, context: { config } } = call;
      const root = config.ohif;
      if (root === undefined) return explain(req, res);
      const named = await inside(root, (path as { path?: string }).path ?? "");
      if (named === null && (await leadToLogin(call))) return undefined;
      const file = named ?? (await inside(root, "index.html"));
      if (file === null) return explain(req, res);
      res.setHeader("Content-Security-Policy", policy);
      if (named === null) pointPanelHere(req, res, config.prefix);
      await new Promise<void>((resolve, reject) => {
        res.sendFile(file, { dotfiles: "allow" }, (error?: Error) => (error && !res.destroyed && !res.headersSent ? reject(error) : resolve()));
      });
      return undefined;
    },
  }));
}

/**
 * The panel of MONAI Label asks port 8000 of the page's host until its user names another server. It remembers that in a cookie, and by this
 * one it knows the server that the page came from: no other may be asked under the policy above.
 */
function pointPanelHere(req: Request, res: Response, prefix: string): void {
  const { host } = req.headers;
  if (host) res.append("Set-Cookie", `MONAILABEL_SERVER_URL=${encodeURIComponent(`${req.protocol}://${host}${prefix}/`)}; Path=${prefix}/ohif; SameSite=Strict`);
}

/** The file of that name below `root`, or null; links and dots that lead out count as missing. */
async function inside(root: string, name: string): Promise<string | null> {
  if (name === "" || name.includes("\0")) return null;
  try {
    const path = await realpath(join(root, name));
    return path.startsWith((await realpath(root)) + sep) && (await stat(path)).isFile() ? path : null;
  } catch {
    return null;
  }
}

function explain(req: Request, res: Response): undefined {
  const how = "Resource NOT Found: this server was started without a build of the OHIF viewer. Start it with --ohif <folder>, where the folder holds OHIF's index.html, built with the public URL /ohif/.";
  if (req.accepts(["json", "html"]) !== "html") throw new LimnetError("not_found", how);
  return sendPage(res, 404, {
    title: "No viewer here",
    body: `<h1>No viewer here</h1><p>${escaped(how)}</p><p>3D Slicer and MITK need none: give them the address of this server. <a href="../">What the server answers</a></p>`,
  });
}
