/** What can go wrong between this server and the archive, in sentences that say what to do. None holds an address, an id or a secret. */
import { LimnetError } from "../errors.js";

export function unreachable(cause: unknown): LimnetError {
  const code = codeOf(cause);
  const what = code === "ECONNRESET" || code === "EPIPE" || code === "UND_ERR_SOCKET" ? "The archive broke the connection" : "The archive cannot be reached";
  return new LimnetError("archive_unreachable", `${what}${code ? ` (${code})` : ""}. Check that it runs and that its address (--studies, --to) is right; then try again.`, { cause });
}

export function denied(status: number): LimnetError {
  return new LimnetError("archive_denied", status === 403
    ? "The archive does not allow this server to do that (403). Check the rights of its user there."
    : "The archive refuses the user or token of this server (401). Check LIMNET_DICOMWEB_USERNAME and LIMNET_DICOMWEB_PASSWORD, or LIMNET_DICOMWEB_TOKEN, or the files that hold them.");
}

export function tooSlow(what: string, milliseconds: number): LimnetError {
  return new LimnetError("archive_timeout", `The archive ${what} within ${Math.round(milliseconds / 1000)} s. Try again; if it is slow by nature, raise LIMNET_DICOMWEB_TIMEOUT.`);
}

export function badAnswer(what: string, cause?: unknown): LimnetError {
  return new LimnetError("archive_answer", `The archive ${what}.`, cause === undefined ? undefined : { cause });
}

/** For a status that says the request failed; 401 and 403 are about this server's own user. */
export function badStatus(status: number): LimnetError {
  if (status === 401 || status === 403) return denied(status);
  if (status === 404) return badAnswer("does not have what was asked for (404). It may have been removed there");
  if (status === 405) return badAnswer("does not do that at this address (405). The address (--studies, --to) has to be the root of its DICOMweb services, such as http://127.0.0.1:8042/dicom-web");
  return badAnswer(`answered with status ${status}. Its own log says why`);
}

/** True where asking once more may help. */
export function isPassing(error: unknown): boolean {
  return error instanceof LimnetError && ["archive_unreachable", "archive_timeout", "archive_answer"].includes(error.code);
}

/** True where the archive took no connection, or broke it before it answered: what it does while it is started again. */
export function isAway(error: unknown): boolean {
  return error instanceof LimnetError && error.code === "archive_unreachable" && ["ECONNREFUSED", "ECONNRESET", "EPIPE"].includes(codeOf(error.cause));
}

function codeOf(error: unknown): string {
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } };
  const found = code ?? cause?.code;
  return typeof found === "string" && /^[A-Z_0-9]{2,40}$/.test(found) ? found : "";
}
