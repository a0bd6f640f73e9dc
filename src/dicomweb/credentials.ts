/**
 * How the server proves itself to the archive: user and password, or a token, from the environment or from files. Nothing of it is
 * ever logged, answered or put into an address.
 */
import { readFile } from "node:fs/promises";

export interface CredentialSources {
  readonly username?: string;
  readonly password?: string;
  /** File that holds the password; a line end at its end does not count. */
  readonly passwordFile?: string;
  readonly token?: string;
  /** File that holds the token; read again when the archive refuses the one that is known, so that tokens may be renewed. */
  readonly tokenFile?: string;
}

/** Credentials that cannot be used; the message names the setting, never its value. */
export class CredentialError extends Error {}

/** The `Authorization` header of requests to the archive. */
export class Credentials {
  readonly #sources: CredentialSources;
  #header: string | null | undefined;

  constructor(sources: CredentialSources = {}) {
    this.#sources = sources;
  }

  /** Null where none are set. Throws CredentialError for a file that cannot be read, or a user without password. */
  async header(): Promise<string | null> {
    this.#header ??= await this.#read();
    return this.#header;
  }

  /** Reads files again. True where something else came out of it. */
  async renew(): Promise<boolean> {
    const before = this.#header;
    this.#header = await this.#read();
    return this.#header !== before;
  }

  async #read(): Promise<string | null> {
    const { username, password, passwordFile, token, tokenFile } = this.#sources;
    const bearer = tokenFile ? await secretFile(tokenFile, "token") : token;
    if (bearer) return `Bearer ${checked(bearer, "token")}`;
    if (!username) return null;
    const secret = passwordFile ? await secretFile(passwordFile, "password") : password;
    if (secret === undefined) throw new CredentialError("There is a user for the archive but no password. Set LIMNET_DICOMWEB_PASSWORD or LIMNET_DICOMWEB_PASSWORD_FILE.");
    if (username.includes(":")) throw new CredentialError("The user for the archive holds a colon, which HTTP does not allow.");
    return `Basic ${Buffer.from(`${username}:${secret}`).toString("base64")}`;
  }
}

async function secretFile(path: string, what: string): Promise<string> {
  try {
    return (await readFile(path, "utf8")).replace(/\r?\n$/, "");
  } catch (cause) {
    throw new CredentialError(`The file that should hold the ${what} for the archive cannot be read (${(cause as NodeJS.ErrnoException).code}).`, { cause });
  }
}

function checked(token: string, what: string): string {
  if (!/^[\x21-\x7e]+$/.test(token)) throw new CredentialError(`The ${what} for the archive holds characters that a header cannot carry.`);
  return token;
}
