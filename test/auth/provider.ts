/** A small identity provider over HTTP with keys of its own: what Keycloak does for a realm, and what goes wrong with it. */
import { createHmac, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK, type JWTPayload, SignJWT } from "jose";

export interface Key {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
}

/** A key pair per algorithm. */
export function makeKeys(algorithms: readonly string[]): Promise<Key[]> {
  return Promise.all(algorithms.map(async (alg) => ({ kid: randomUUID(), alg, ...(await generateKeyPair(alg, { extractable: true })) })));
}

export class Provider {
  /** Requests by path, in order. */
  readonly asked: string[] = [];
  /** Replaces the answer of a path. */
  readonly odd = new Map<string, (req: IncomingMessage, res: ServerResponse) => void>();
  readonly passwords = new Map([["anna", "secret"]]);
  #keys: readonly Key[];
  #server: Server | null = null;
  #port = 0;

  /** `keys`: those to begin with; making them takes a while. */
  constructor(keys: readonly Key[]) {
    this.#keys = keys;
  }

  get realm(): string {
    return `http://127.0.0.1:${this.#port}/realms/clinic`;
  }

  /** Starts, on the same port as before where it ran before. */
  async start(): Promise<void> {
    this.#server = createServer((req, res) => void this.#answer(req, res));
    await new Promise<void>((resolve) => this.#server!.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    server?.closeAllConnections();
    await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
  }

  /** New keys instead of the old ones. */
  async rotate(algorithms: readonly string[] = ["RS256"]): Promise<void> {
    this.#keys = await makeKeys(algorithms);
  }

  /** An access token; `change` overrides claims (undefined removes one). */
  async token(change: JWTPayload = {}, { alg, kid, key }: { alg?: string; kid?: string; key?: CryptoKey } = {}): Promise<string> {
    const own = this.#keys.find((one) => one.alg === alg) ?? this.#keys[0];
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: this.realm, sub: "subject-1", aud: "account", iat: now, exp: now + 300, preferred_username: "anna", email: "anna@clinic.example", name: "Anna A",
      realm_access: { roles: ["monailabel-annotator", "offline_access"] }, ...change,
    };
    return new SignJWT(JSON.parse(JSON.stringify(claims))).setProtectedHeader({ alg: own.alg, kid: kid ?? own.kid, typ: "JWT" }).sign(key ?? own.privateKey);
  }

  /** The two classic forgeries: no signature, and a HMAC whose secret is the public key that everybody knows. */
  async forged(kind: "none" | "HS256", payload = ""): Promise<string> {
    const own = this.#keys[0];
    const body = payload || (await this.token({ realm_access: { roles: ["monailabel-admin"] } })).split(".")[1];
    const head = Buffer.from(JSON.stringify({ alg: kind, typ: "JWT", kid: own.kid })).toString("base64url");
    const secret = await exportSPKI(own.publicKey);
    return `${head}.${body}.${kind === "none" ? "" : createHmac("sha256", secret).update(`${head}.${body}`).digest("base64url")}`;
  }

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const path = new URL(req.url!, this.realm).pathname.replace("/realms/clinic", "");
    this.asked.push(path);
    const odd = this.odd.get(path);
    if (odd) return odd(req, res);
    const json = (status: number, body: unknown) => res.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
    if (path === "/.well-known/openid-configuration") {
      return void json(200, { issuer: this.realm, jwks_uri: `${this.realm}/certs`, token_endpoint: `${this.realm}/token`, response_types_supported: ["code"] });
    }
    if (path === "/certs") {
      const keys: JWK[] = await Promise.all(this.#keys.map(async ({ kid, alg, publicKey }) => ({ ...(await exportJWK(publicKey)), kid, alg, use: "sig" })));
      return void json(200, { keys });
    }
    if (path !== "/token") return void json(404, {});
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    const form = new URLSearchParams(Buffer.concat(chunks).toString());
    const right = form.get("grant_type") === "password" && form.get("client_id") === "monailabel-app" && this.passwords.get(form.get("username") ?? "") === form.get("password");
    return void json(right ? 200 : 401, right ? { access_token: await this.token(), refresh_token: "r", expires_in: 300, token_type: "Bearer" } : { error: "invalid_grant" });
  }
}
