/** docs/conformance.md: every endpoint and how it stands to the protocol of MONAI Label, made of the routes themselves. */
import type { Endpoint } from "./endpoint.js";

/** The endpoints of MONAI Label 0.8.5, "METHOD path" as its routers spell them. */
export const protocolEndpoints: readonly string[] = [
  "GET /info/", "POST /infer/{model}", "POST /infer/wsi/{model}", "POST /infer/wsi_v2/{model}",
  "GET /batch/infer", "DELETE /batch/infer", "POST /batch/infer/{model}",
  "GET /train/", "POST /train/", "DELETE /train/", "POST /train/{model}",
  "GET /scoring/", "POST /scoring/", "DELETE /scoring/", "POST /scoring/{method}",
  "POST /activelearning/{strategy}",
  "GET /datastore/", "PUT /datastore/", "DELETE /datastore/",
  "GET /datastore/image", "HEAD /datastore/image", "PUT /datastore/image", "DELETE /datastore/image",
  "GET /datastore/image/info", "PUT /datastore/image/info",
  "GET /datastore/label", "HEAD /datastore/label", "PUT /datastore/label", "DELETE /datastore/label",
  "GET /datastore/label/info", "PUT /datastore/label/info", "PUT /datastore/updatelabelinfo", "GET /datastore/dataset",
  "GET /model/{model}", "PUT /model/{model}", "DELETE /model/{model}", "GET /model/info/{model}",
  "PUT /session/", "GET /session/{session_id}", "DELETE /session/{session_id}",
  "GET /logs/", "GET /logs/gpu", "GET /ohif/{path}",
  "GET /proxy/dicom/wado/{path}", "POST /proxy/dicom/wado/{path}", "GET /proxy/dicom/qido/{path}", "POST /proxy/dicom/qido/{path}",
  "GET /proxy/dicom/stow/{path}", "POST /proxy/dicom/stow/{path}", "GET /proxy/dicom/{path}", "POST /proxy/dicom/{path}",
  "GET /auth/", "POST /auth/token", "GET /auth/token/valid",
];

const states = { whole: "whole", partly: "partly", refused: "refused", own: "ours", missing: "not served" } as const;

/** "GET /info/" of an endpoint. */
export function endpointName({ method, path }: Pick<Endpoint, "method" | "path">): string {
  return `${method.toUpperCase()} ${path}`;
}

/** The table between the two marks of docs/conformance.md. */
export function conformanceTable(endpoints: readonly Endpoint[]): string {
  const served = new Map(endpoints.map((one) => [endpointName(one), one]));
  const ours = [...served.keys()].filter((name) => !protocolEndpoints.includes(name));
  const rows = [...protocolEndpoints, ...ours].map((name) => row(name, served.get(name)));
  return ["| Endpoint | State | What a client notices |", "|---|---|---|", ...rows].join("\n");
}

function row(name: string, one: Endpoint | undefined): string {
  const known = protocolEndpoints.includes(name);
  const state = !one ? states.missing : states[one.conformance?.state ?? (known ? "whole" : "own")];
  const note = one?.conformance?.note ?? (one && !known ? one.summary : "");
  return `| \`${name}\` | ${state} | ${note.replaceAll("|", "\\|").replaceAll("\n", " ")} |`;
}

export const marks = { start: "<!-- endpoints: made by `npm run conformance` -->", end: "<!-- end of endpoints -->" } as const;

/** The page with a fresh table; what is written by hand around it stays. Throws where the marks are gone. */
export function withTable(page: string, table: string): string {
  const start = page.indexOf(marks.start);
  const end = page.indexOf(marks.end);
  if (start < 0 || end < start) throw new Error(`docs/conformance.md has lost its marks "${marks.start}" and "${marks.end}".`);
  return `${page.slice(0, start + marks.start.length)}\n${table}\n${page.slice(end)}`;
}
