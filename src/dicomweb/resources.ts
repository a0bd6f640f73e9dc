/**
 * What the proxy passes on: DICOMweb resources (PS3.18 10.1), read into typed values and written anew. Nothing of the address that a
 * client sent reaches the archive as it came, so that no dot segment, encoded slash or other service of the archive can be reached.
 */
import { LimnetError } from "../errors.js";
import { isUid } from "./json.js";
import type { ArchiveSettings } from "./settings.js";

export type Service = "qido" | "wado" | "stow";

export interface Resource {
  readonly service: Service;
  /** Rebuilt path below the root of the service. */
  readonly path: string;
  readonly query: URLSearchParams;
}

const levels = ["studies", "series", "instances"] as const;
const retrievals = new Set(["metadata", "rendered", "thumbnail", "bulkdata", "pixeldata"]);
/** Keywords and tags that a search may name, and its own parameters. */
const searchKey = /^(?:[A-Za-z][A-Za-z0-9]{0,63}|[0-9A-Fa-f]{8})(?:\.(?:[A-Za-z][A-Za-z0-9]{0,63}|[0-9A-Fa-f]{8})){0,4}$/;
const retrieveKeys = new Set(["accept", "charset", "quality", "viewport", "window", "annotation", "iccprofile"]);
const mostParameters = 64;
const longestValue = 1024;

/** @throws LimnetError not_found for anything that is no resource of DICOMweb */
export function parseResource(method: "GET" | "HEAD" | "POST", path: string, query: URLSearchParams): Resource {
  const segments = path.split("/");
  if (segments.some((segment) => segment.length > 200)) throw unknown();
  if (method === "POST") return { service: "stow", path: storePath(segments), query: new URLSearchParams() };
  const uids: string[] = [];
  let at = 0;
  while (at < segments.length && segments[at] === levels[uids.length] && at + 1 < segments.length && isUid(segments[at + 1])) {
    uids.push(segments[at + 1]);
    at += 2;
  }
  const base = uids.flatMap((uid, level) => [levels[level], uid]);
  const rest = segments.slice(at);
  // Searches: /studies, /series, /instances, /studies/{}/series, /studies/{}/instances, /studies/{}/series/{}/instances.
  if (rest.length === 1 && isSearch(rest[0], uids.length)) return { service: "qido", path: [...base, rest[0]].join("/"), query: searchQuery(query) };
  if (uids.length === 0) throw unknown();
  if (rest.length === 0 || (rest.length === 1 && retrievals.has(rest[0]))) return { service: "wado", path: [...base, ...rest].join("/"), query: retrieveQuery(query) };
  if (uids.length === 3 && rest[0] === "frames" && isFrameList(rest[1]) && (rest.length === 2 || (rest.length === 3 && (rest[2] === "rendered" || rest[2] === "thumbnail")))) {
    return { service: "wado", path: [...base, ...rest].join("/"), query: retrieveQuery(query) };
  }
  // BulkDataURIs as Orthanc and others spell them: .../bulk/7fe00010, .../bulkdata/00420011/1/00420010.
  if ((rest[0] === "bulk" || rest[0] === "bulkdata") && rest.length <= 12 && rest.slice(1).every((step) => /^([0-9A-Fa-f]{8}|\d{1,6})$/.test(step))) {
    return { service: "wado", path: [...base, ...rest].join("/"), query: new URLSearchParams() };
  }
  throw unknown();
}

/** The address at the archive. */
export function resourceUrl({ url, prefixes }: ArchiveSettings, { service, path, query }: Resource): string {
  const text = query.toString();
  return `${[url, ...(prefixes[service] ? [prefixes[service]] : []), path].join("/")}${text === "" ? "" : `?${text}`}`;
}

function isSearch(last: string, depth: number): boolean {
  const level = levels.indexOf(last as (typeof levels)[number]);
  return level >= 0 && level >= depth;
}

function storePath(segments: readonly string[]): string {
  if (segments[0] !== "studies" || segments.length > 2 || (segments.length === 2 && !isUid(segments[1]))) throw unknown();
  return segments.join("/");
}

function isFrameList(text: string | undefined): boolean {
  return text !== undefined && /^\d{1,6}(,\d{1,6}){0,199}$/.test(text);
}

function searchQuery(query: URLSearchParams): URLSearchParams {
  return filtered(query, (key) => searchKey.test(key));
}

function retrieveQuery(query: URLSearchParams): URLSearchParams {
  return filtered(query, (key) => retrieveKeys.has(key.toLowerCase()));
}

function filtered(query: URLSearchParams, allowed: (key: string) => boolean): URLSearchParams {
  const kept = new URLSearchParams();
  let count = 0;
  for (const [key, value] of query) {
    // A login of this server never travels on.
    if (/^(token|access_token)$/i.test(key) || !allowed(key)) continue;
    // eslint-disable-next-line no-control-regex -- control characters are what is refused
    if (++count > mostParameters || value.length > longestValue || /[\u0000-\u001f]/.test(value)) throw new LimnetError("bad_request", "The search has too many parameters, or one that is too long.");
    kept.append(key, value);
  }
  return kept;
}

function unknown(): LimnetError {
  return new LimnetError("not_found", "This is no DICOMweb resource that is passed on. There are studies, series, instances, their metadata, frames, rendered images and bulk data; POST stores to studies.");
}
