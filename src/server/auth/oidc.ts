/** Tokens of an identity provider (OpenID Connect; protocol 1.2), checked with the keys that it publishes. */
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTPayload, jwtVerify } from "jose";
import { z } from "zod";
import type { Log } from "../../datastore/log.js";
import { LimnetError } from "../../errors.js";
import type { Role, User } from "./roles.js";
import { withLower } from "./roles.js";
import type { AuthSettings } from "./settings.js";

/** Signatures with a public key. HMAC and "none" must never be among them: whoever knows the public key could sign. */
const algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"];

const discoverySchema = z.object({ issuer: z.string(), jwks_uri: z.url({ protocol: /^https?$/ }), token_endpoint: z.url({ protocol: /^https?$/ }).optional() });
type Discovery = z.infer<typeof discoverySchema>;
const keysSchema = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(100) });

/** Answers of a provider are small; more is not read. */
const longestAnswer = 1 << 20;

/** Longest that old keys count while the provider cannot be reached. */
const keepWhileDownMs = 3600_000;

interface Known {
  readonly discovery: Discovery;
  readonly keyFor: ReturnType<typeof createLocalJWKSet>;
  readonly at: number;
}

export class OidcProvider {
  readonly #settings: AuthSettings & { authRealm: string };
  readonly #log: Log;
  readonly #closing: AbortSignal;
  #known: Known | null = null;
  #asked = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | null = null;

  constructor(settings: AuthSettings & { authRealm: string }, log: Log, closing: AbortSignal) {
    this.#settings = settings;
    this.#log = log;
    this.#closing = closing;
  }

  /**
   * The user of an access token, or null where the token is not good: signature, algorithm, issuer, audience (when set), `exp`, `nbf`.
   * @throws LimnetError login_unavailable where the provider's keys are needed and it cannot be reached
   */
  async user(token: string): Promise<User | null> {
    const known = await this.#keys();
    const payload = await this.#verify(token, known);
    if (payload !== "unknown key") return payload && this.#toUser(payload);
    // The provider may have changed its keys since: ask, but not as often as anybody can send odd tokens.
    const newer = await this.#refresh(known);
    const again = newer === known ? null : await this.#verify(token, newer);
    return again && again !== "unknown key" ? this.#toUser(again) : null;
  }

  /**
   * Access token for a name and password (grant type "password"), or null where the provider refuses them.
   * @throws LimnetError login_unavailable
   */
  async login(username: string, password: string): Promise<string | null> {
    const { discovery } = await this.#keys();
    if (!discovery.token_endpoint) throw unavailable("It has no token endpoint.");
    const form = new URLSearchParams({ client_id: this.#settings.authClientId, username, password, grant_type: "password" });
    const { status, body } = await this.#ask(discovery.token_endpoint, { method: "POST", body: form }, 30);
    if (status >= 400 && status < 500) return null;
    const parsed = z.object({ access_token: z.string().min(1) }).safeParse(body);
    if (status !== 200 || !parsed.success) throw unavailable(`It answered ${status}.`);
    return parsed.data.access_token;
  }

  async #verify(token: string, { discovery, keyFor }: Known): Promise<JWTPayload | null | "unknown key"> {
    const { authIssuer, authAudience } = this.#settings;
    try {
      const { payload } = await jwtVerify(token, keyFor, {
        algorithms, issuer: authIssuer ?? discovery.issuer, audience: authAudience, requiredClaims: ["exp"], clockTolerance: 5,
      });
      return payload;
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey) return "unknown key";
      if (!(error instanceof errors.JOSEError || error instanceof TypeError)) throw error;
      this.#log.debug("token refused", { reason: error.message });
      return null;
    }
  }

  async #keys(): Promise<Known> {
    const known = this.#known;
    if (known && Date.now() - known.at < this.#settings.authRefresh * 1000) return known;
    return this.#refresh(known);
  }

  /** Newer keys; those that are known where it is too early to ask, or where nobody answers. */
  async #refresh(known: Known | null): Promise<Known> {
    if (this.#asking || Date.now() - this.#asked >= this.#settings.authRetry * 1000) {
      this.#asking ??= this.#fetch().finally(() => {
        this.#asked = Date.now();
        this.#asking = null;
      });
      try {
        await this.#asking;
      } catch (error) {
        this.#log.warn("identity provider not reached", { error: (error as Error).message });
      }
    }
    const found = this.#known ?? known;
    if (found && Date.now() - found.at < keepWhileDownMs) return found;
    throw unavailable("");
  }

  async #fetch(): Promise<void> {
    const found = await this.#ask(`${this.#settings.authRealm}/.well-known/openid-configuration`);
    const discovery = discoverySchema.parse(found.body);
    const keys = keysSchema.parse((await this.#ask(discovery.jwks_uri)).body);
    this.#known = { discovery, keyFor: createLocalJWKSet(keys as JSONWebKeySet), at: Date.now() };
  }

  async #ask(url: string, init: RequestInit = {}, seconds = this.#settings.authTimeout): Promise<{ status: number; body: unknown }> {
    try {
      const signal = AbortSignal.any([this.#closing, AbortSignal.timeout(seconds * 1000)]);
      const reply = await fetch(url, { ...init, redirect: "error", headers: { Accept: "application/json" }, signal });
      return { status: reply.status, body: parseJson(await readBounded(reply)) };
    } catch (cause) {
      throw unavailable("", cause);
    }
  }

  #toUser(payload: JWTPayload): User | null {
    const { authClaimUsername, authClaimEmail, authClaimName, authClaimRoles } = this.#settings;
    const text = (path: string) => {
      const value = claim(payload, path);
      return typeof value === "string" ? value.slice(0, 256) : "";
    };
    const username = text(authClaimUsername) || (payload.sub ?? "");
    if (username === "") return null;
    // The subject is for ever; a name may be changed by its owner to that of somebody else.
    const id = payload.sub ? `oidc ${payload.iss} ${payload.sub}` : `oidc ${payload.iss} name ${username}`;
    return { id, username, email: text(authClaimEmail), name: text(authClaimName), roles: withLower(this.#rolesOf(claim(payload, authClaimRoles))) };
  }

  #rolesOf(claimed: unknown): Role[] {
    const { roleAdmin, roleReviewer, roleAnnotator, roleUser } = this.#settings;
    const names: [Role, string][] = [["admin", roleAdmin], ["reviewer", roleReviewer], ["annotator", roleAnnotator], ["user", roleUser]];
    const held: unknown[] = Array.isArray(claimed) ? claimed : [claimed];
    return names.filter(([, name]) => held.includes(name)).map(([role]) => role);
  }
}

/** "realm_access#roles": the claim `roles` inside `realm_access`. */
function claim(payload: JWTPayload, path: string): unknown {
  let value: unknown = payload;
  for (const key of path.split("#")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}

async function readBounded(reply: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of reply.body ?? []) {
    length += part.length;
    if (length > longestAnswer) throw new Error("the answer is too long");
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unavailable(why: string, cause?: unknown): LimnetError {
  const sentence = `The identity provider cannot be reached, so nobody can be logged in. ${why} Try again in a moment; tokens of \`limnet token\` still work.`;
  return new LimnetError("login_unavailable", sentence.replace(/ {2,}/g, " "), { cause });
}
