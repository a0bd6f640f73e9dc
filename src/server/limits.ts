/**
 * Every limit of the server: what it bounds, its setting, its default, and what a request gets that goes beyond. One table, from
 * which the settings are made; docs/security.md shows it, and a test holds the two together.
 */
import { z } from "zod";

interface Limit {
  readonly environment: string;
  readonly default: number;
  readonly what: string;
  /** Status of the answer, or what else happens. */
  readonly answer: string;
  /** 0 counts too: it turns the limit off. */
  readonly off?: true;
  readonly most?: number;
}

const mebi = 1024 ** 2;

export const limits = {
  maxUploadBytes: { environment: "LIMNET_MAX_UPLOAD_BYTES", default: 4096 * mebi, what: "bytes of the files of a form, together", answer: "413" },
  maxFieldBytes: { environment: "LIMNET_MAX_FIELD_BYTES", default: 16 * mebi, what: "bytes of one text field of a form, such as `params`", answer: "413" },
  maxJsonBytes: { environment: "LIMNET_MAX_JSON_BYTES", default: mebi, what: "bytes of a JSON body", answer: "413" },
  maxParts: { environment: "LIMNET_MAX_PARTS", default: 64, what: "parts of a form", answer: "413" },
  maxSeriesFiles: { environment: "LIMNET_MAX_SERIES_FILES", default: 5000, what: "files of a session: parts of the form, or files inside its archive", answer: "413" },
  maxJsonDepth: { environment: "LIMNET_MAX_JSON_DEPTH", default: 32, what: "arrays and objects inside each other in JSON", answer: "422" },
  maxClicks: { environment: "LIMNET_MAX_CLICKS", default: 1000, what: "clicks of one object", answer: "422" },
  maxLabelLength: { environment: "LIMNET_MAX_LABEL_LENGTH", default: 256, what: "characters of the name of an object", answer: "422" },
  maxVoxels: { environment: "LIMNET_MAX_VOXELS", default: 1_100_000_000, most: 1_100_000_000, what: "voxels of a volume, by its header, before anything is allocated", answer: "422" },
  maxVolumeBytes: { environment: "LIMNET_MAX_VOLUME_BYTES", default: 4096 * mebi, what: "bytes of a volume's voxels unpacked, by its header; no more is ever unpacked from gzip", answer: "422" },
  maxSessions: { environment: "LIMNET_MAX_SESSIONS", default: 1000, what: "sessions at once", answer: "429" },
  maxWaiting: { environment: "LIMNET_MAX_WAITING", default: 64, what: "requests that wait for the engine", answer: "503 with `Retry-After`" },
  requestsPerMinute: { environment: "LIMNET_REQUESTS_PER_MINUTE", default: 6000, off: true, what: "requests a minute of one address; without a login on this machine only, not counted unless set", answer: "429 with `Retry-After`" },
  failedLogins: { environment: "LIMNET_FAILED_LOGINS", default: 10, off: true, what: "refused logins (`POST /auth/token`) a minute of one address", answer: "429 with `Retry-After`" },
  maxConnections: { environment: "LIMNET_MAX_CONNECTIONS", default: 1000, what: "connections at once", answer: "closed at once" },
  maxHeaderBytes: { environment: "LIMNET_MAX_HEADER_BYTES", default: 16 * 1024, what: "bytes of a request's headers", answer: "431" },
  headersSeconds: { environment: "LIMNET_HEADERS_SECONDS", default: 30, what: "seconds for the headers to arrive", answer: "408" },
  requestSeconds: { environment: "LIMNET_REQUEST_SECONDS", default: 3600, what: "seconds for a whole request to arrive", answer: "408" },
  stallSeconds: { environment: "LIMNET_STALL_SECONDS", default: 60, what: "seconds without a byte while a body arrives", answer: "connection closed" },
  idleSeconds: { environment: "LIMNET_IDLE_SECONDS", default: 3600, what: "seconds without a byte in either direction, while an answer is made or fetched", answer: "connection closed" },
} as const satisfies Record<string, Limit>;

type LimitName = keyof typeof limits;
export type Limits = Readonly<Record<LimitName, number>>;

const entries = Object.entries(limits) as [LimitName, Limit][];

export const limitShape = Object.fromEntries(entries.map(([name, { default: standard, off, most }]) =>
  [name, z.coerce.number().int().min(off ? 0 : 1).max(most ?? Number.MAX_SAFE_INTEGER).default(standard)])) as Record<LimitName, z.ZodDefault<z.ZodCoercedNumber>>;

export const limitEnvironment = Object.fromEntries(entries.map(([name, { environment }]) => [name, [environment]])) as unknown as Record<LimitName, readonly string[]>;

/** The rows of the table in docs/security.md. */
export function limitTable(): string[] {
  return entries.map(([, { environment, default: standard, what, answer, off }]) => `| \`${environment}\` | ${standard} | ${what}${off ? " (0: no limit)" : ""} | ${answer} |`);
}
