/** Finds out who asks, and refuses who may not. */
import { stat } from "node:fs/promises";
import type { Request } from "express";
import type { Log } from "../../datastore/log.js";
import { LimnetError } from "../../errors.js";
import { cookieToken } from "./cookie.js";
import { DownloadGrants } from "./grants.js";
import { OidcProvider } from "./oidc.js";
import { type Access, nobody, type Role, type User, withLower } from "./roles.js";
import type { AuthSettings } from "./settings.js";
import { defaultTokenFile, findToken, isLocalToken, readTokens, type TokenRecord } from "./tokens.js";

/** Longer is no token of anybody. */
const longestToken = 16 * 1024;

export class Authenticator {
  readonly grants: DownloadGrants;
  readonly #settings: AuthSettings;
  readonly #log: Log;
  readonly #file: string;
  readonly #oidc: OidcProvider | null;
  #tokens: readonly TokenRecord[] = [];
  #stamp = "";

  constructor(settings: AuthSettings, log: Log, closing: AbortSignal) {
    this.#settings = settings;
    this.#log = log;
    this.#file = settings.tokens ?? defaultTokenFile();
    this.grants = new DownloadGrants(settings.downloadGrant * 1000);
    const { authRealm } = settings;
    this.#oidc = authRealm === undefined ? null : new OidcProvider({ ...settings, authRealm }, log, closing);
  }

  /** Whether a login is asked for. */
  get enabled(): boolean {
    return this.#settings.auth;
  }

  /**
   * The user of a request that may do what asks for `access`. `image`: id of an image that a download grant may stand for.
   * @throws LimnetError not_authenticated, not_allowed, login_unavailable
   */
  async admit(req: Request, access: Access, image?: string): Promise<User> {
    if (!this.enabled || access === "public") return nobody;
    const granted = image && req.headers.authorization === undefined ? this.grants.take(req, image) : null;
    const user = granted ?? (await this.user(req));
    if (access !== "login" && !user.roles.includes(access)) throw new LimnetError("not_allowed", `Role "${this.roleName(access)}" is required to perform this action`);
    return user;
  }

  /** The user of a request, whatever the roles. Throws LimnetError not_authenticated, login_unavailable. */
  async user(req: Request): Promise<User> {
    const token = bearer(req) ?? (req.headers.authorization === undefined ? cookieToken(req) : null);
    if (token === null) throw new LimnetError("not_authenticated", "Not authenticated");
    const user = await this.#userOf(token);
    if (!user) throw new LimnetError("not_authenticated", "Could not validate credentials");
    return user;
  }

  /** Token for a name and password: a token of the file is its own password. Null where they are not good. */
  async login(username: string, password: string): Promise<string | null> {
    if (!isLocalToken(password)) return (await this.#oidc?.login(username, password)) ?? null;
    const user = await this.#userOf(password);
    return user?.username === username ? password : null;
  }

  /** What clients call a role. */
  roleName(role: Role): string {
    const { roleAdmin, roleReviewer, roleAnnotator, roleUser } = this.#settings;
    return { admin: roleAdmin, reviewer: roleReviewer, annotator: roleAnnotator, user: roleUser }[role];
  }

  async #userOf(token: string): Promise<User | null> {
    if (token.length > longestToken) return null;
    if (!isLocalToken(token)) return (await this.#oidc?.user(token)) ?? null;
    const found = findToken(await this.#current(), token);
    return found && { id: `token ${found.name}`, username: found.name, email: "", name: found.name, roles: withLower(found.roles) };
  }

  /** The tokens of today: the file is read again when it changed. A file that cannot be read lets nobody in. */
  async #current(): Promise<readonly TokenRecord[]> {
    const found = await stat(this.#file, { bigint: true }).catch(() => null);
    const stamp = found ? `${found.mtimeNs} ${found.ctimeNs} ${found.size} ${found.ino}` : "none";
    if (stamp === this.#stamp) return this.#tokens;
    this.#tokens = await readTokens(this.#file).catch((error: Error) => {
      this.#log.error("tokens not read", { error: error.message });
      return [];
    });
    this.#stamp = stamp;
    return this.#tokens;
  }
}

function bearer(req: Request): string | null {
  return /^bearer +(\S+) *$/i.exec(req.headers.authorization ?? "")?.[1] ?? null;
}
