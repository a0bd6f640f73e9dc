/** /logs/: the server's log, which holds no patient data (logger.ts). Protocol 1.9. */
import { execFile } from "node:child_process";
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { LimnetError } from "../../errors.js";
import { sendDownload } from "../downloads.js";
import { type Endpoint, endpoint } from "../endpoint.js";
import { escaped, type Page, sendPage } from "../page.js";
import { lastLines } from "../tail.js";
import { booleanText, trueUnlessTold, wholeNumber } from "./schemas.js";

const tag = "Logs";
const textReply = { "text/plain": { type: "string" } } as const;
/** A page is for reading; who wants all of it asks for lines=0. */
const mostLines = 10_000;

export function logRoutes(): Endpoint[] {
  return [
    endpoint({
      method: "get", path: "/logs/", tag, role: "admin", fails: [404],
      summary: "The last lines of the log as a page that renews itself, as text, or the whole file (lines=0)",
      querySchema: z.object({
        lines: wholeNumber.prefault("300"), html: trueUnlessTold, text: booleanText,
        refresh: wholeNumber.prefault("0").meta({ description: "Seconds between two looks of the page, at least 3" }),
      }),
      reply: { "text/html": { type: "string" }, ...textReply, "application/octet-stream": { type: "string", format: "binary" } },
      conformance: { note: "The page renews itself without a script and loads nothing from elsewhere. The log holds no image ids and no names of clients' files." },
      async handle({ query, res, context: { config } }) {
        const file = config.logFile;
        const missing = `Log File ${basename(file)} NOT Found. This server writes its log to standard error only.`;
        if (!(await stat(file).catch(() => null))?.isFile()) throw new LimnetError("not_found", missing);
        if (query.lines === 0) return sendDownload(res, file, basename(file), missing);
        const text = await lastLines(file, Math.min(query.lines, mostLines));
        if (query.text || !query.html) res.type("text/plain").send(text);
        else sendPage(res, 200, logPage(text, Math.max(3, query.refresh)));
        return undefined;
      },
    }),
    endpoint({
      method: "get", path: "/logs/gpu", tag, role: "admin", summary: "What nvidia-smi says, or that there is none", reply: textReply,
      conformance: { note: "200 with an explanation where there is no GPU (MONAI Label: 500)." },
      async handle({ res, signal }) {
        const said = await promisify(execFile)("nvidia-smi", { timeout: 10_000, signal }).then(({ stdout }) => stdout, () => null);
        res.type("text/plain").send(said ?? "nvidia-smi is not there or found no GPU. This server works on the processor and needs none.\n");
        return undefined;
      },
    }),
  ];
}

/** The newest line first, so that the page shows it wherever the browser was scrolled to. */
function logPage(text: string, seconds: number): Page {
  const lines = text.split("\n").filter((line) => line !== "").reverse();
  const body = lines.length === 0 ? "<p>Nothing was logged yet.</p>" : `<table><tbody>${lines.map(rowOf).join("\n")}</tbody></table>`;
  return { title: "limnet: log", body, width: "wide", refresh: seconds };
}

/** A line of the log (logger.ts), or whatever else is there as it is. */
function rowOf(line: string): string {
  const { timestamp, level, message, ...rest } = eventOf(line);
  const classes = level === "error" ? "error" : level === "warn" ? "warn" : "";
  const details = Object.entries(rest).map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`).join(" ");
  const cells = [timestamp, level, message, details].map((cell) => `<td>${escaped(cell === undefined ? "" : String(cell))}</td>`);
  return `<tr${classes && ` class="${classes}"`}>${cells.join("")}</tr>`;
}

function eventOf(line: string): Record<string, unknown> {
  try {
    const event: unknown = JSON.parse(line);
    return typeof event === "object" && event !== null && !Array.isArray(event) ? event as Record<string, unknown> : { message: line };
  } catch {
    return { message: line };
  }
}
