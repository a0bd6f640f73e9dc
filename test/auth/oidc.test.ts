/** Users of an identity provider (protocol 1.2), against one that really answers over HTTP. */
import { generateKeyPair } from "jose";
import request from "supertest";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { ConfigInput } from "../../src/server/config.js";
import { type Lab, openLab } from "../protocol/harness.js";
import { type Key, makeKeys, Provider } from "./provider.js";

let provider: Provider;
let lab: Lab;
let keys: Key[];
const open = async (settings: ConfigInput = {}) => {
  lab = await openLab(["scan_1.nii.gz"], { auth: true, tokens: "/nowhere/tokens.json", authRealm: provider.realm, authRetry: 0.05, authTimeout: 2, ...settings });
};
beforeAll(async () => {
  keys = await makeKeys(["RS256"]);
});
beforeEach(async () => {
  provider = new Provider(keys);
  await provider.start();
});
afterEach(async () => {
  await lab.close();
  await provider.stop();
});

const get = (path: string, token: string) => request(lab.server.http).get(path).set("Authorization", `Bearer ${token}`);
const valid = (token: string) => get("/auth/token/valid", token);
const login = (form: Record<string, string>) => request(lab.server.http).post("/auth/token").type("form").send(form);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe("what clients ask first", () => {
  beforeEach(() => open());

  it("GET /auth/ names the realm and the client", async () => {
    await request(lab.server.http).get("/auth/").expect(200, { enabled: true, client_id: "monailabel-app", realm: provider.realm });
  });

  it("without a token: 401, Bearer, Not authenticated", async () => {
    for (const path of ["/info/", "/auth/token/valid"]) {
      await request(lab.server.http).get(path).expect(401, { detail: "Not authenticated" }).expect("WWW-Authenticate", "Bearer");
      await request(lab.server.http).get(path).set("Authorization", "Basic YTpi").expect(401, { detail: "Not authenticated" });
    }
  });

  it("pages, probes and the description are open", async () => {
    for (const path of ["/", "/docs", "/openapi.json", "/healthz"]) await request(lab.server.http).get(path).expect(200);
  });
});

describe("a token of the provider", () => {
  it("says who it is, and lets in by role", async () => {
    await open();
    const token = await provider.token();
    await valid(token).expect(200, {
      username: "anna", email: "anna@clinic.example", name: "Anna A", roles: ["monailabel-user", "monailabel-annotator"],
    });
    await get("/info/", token).expect(200);
    await request(lab.server.http).delete("/datastore/image?id=scan_1").set("Authorization", `bearer ${token}`)
      .expect(403, { detail: 'Role "monailabel-admin" is required to perform this action' });
    const stranger = await provider.token({ realm_access: { roles: ["something-else"] } });
    await valid(stranger).expect(200);
    await get("/info/", stranger).expect(403, { detail: 'Role "monailabel-user" is required to perform this action' });
  });

  it.each(["RS384", "RS512", "PS256", "ES256", "ES384"])("may be signed with %s", async (alg) => {
    await provider.rotate([alg]);
    await open();
    await valid(await provider.token()).expect(200);
  });

  const hour = 3600;
  const now = () => Math.floor(Date.now() / 1000);
  const wrong: [string, () => Promise<string>][] = [
    ["expired", () => provider.token({ exp: now() - 10 })],
    ["not good yet", () => provider.token({ nbf: now() + hour })],
    ["without an end", () => provider.token({ exp: undefined })],
    ["of another issuer", () => provider.token({ iss: "https://evil.example/realms/clinic" })],
    ["without an issuer", () => provider.token({ iss: undefined })],
    ["for another audience", () => provider.token({ aud: ["account", "other-app"] })],
    ["without a signature (alg none)", () => provider.forged("none")],
    ["signed with the public key as secret (HS256)", () => provider.forged("HS256")],
    ["signed by a stranger under the right key id", async () => provider.token({}, { key: (await generateKeyPair("RS256")).privateKey })],
    ["with one letter of the claims changed", async () => (await provider.token()).replace(/\.(.{20})./, (_, start: string) => `.${start}_`)],
    ["of nobody", () => provider.token({ sub: undefined, preferred_username: undefined })],
    ["that is none", async () => "a.b.c"],
    ["that is longer than a header may be used for", async () => `e.${"x".repeat(9000)}.y`],
  ];
  it.each(wrong)("%s is refused", async (_what, make) => {
    await open({ authAudience: "limnet" });
    await valid(await provider.token({ aud: ["account", "limnet"] })).expect(200);
    await valid(await make()).expect(401, { detail: "Could not validate credentials" }).expect("WWW-Authenticate", "Bearer");
  });

  it("counts for a few seconds more, as clocks differ", async () => {
    await open();
    await valid(await provider.token({ exp: now() - 2 })).expect(200);
  });

  it("has its name, roles and issuer where the settings say", async () => {
    await open({ authClaimUsername: "ext#login", authClaimRoles: "groups", roleUser: "readers", authIssuer: "https://sso.clinic.example" });
    const token = await provider.token({ iss: "https://sso.clinic.example", ext: { login: "a.a" }, groups: "readers" });
    await valid(token).expect(200).expect(({ body }) => expect(body).toMatchObject({ username: "a.a", roles: ["readers"] }));
    await valid(await provider.token({ groups: ["readers"] })).expect(401);
    await valid(await provider.token({ iss: "https://sso.clinic.example", "ext#login": "b", ext: { __proto__: { login: "c" } } })).expect(200)
      .expect(({ body }) => expect(body).toMatchObject({ username: "subject-1", roles: [] }));
  });
});

describe("the provider's keys", () => {
  it("are fetched once, by the first token", async () => {
    await open();
    const tokens = await Promise.all(Array.from({ length: 20 }, (_, n) => provider.token({ sub: `s${n}` })));
    await Promise.all(tokens.map((token) => valid(token).expect(200)));
    expect(provider.asked).toEqual(["/.well-known/openid-configuration", "/certs"]);
  });

  it("are fetched again when a token names a new one, and old tokens end", async () => {
    await open();
    const old = await provider.token();
    await valid(old).expect(200);
    await provider.rotate();
    await pause(60);
    await valid(await provider.token()).expect(200);
    await valid(old).expect(401);
  });

  it("are not fetched for every odd token", async () => {
    await open({ authRetry: 600 });
    await valid(await provider.token()).expect(200);
    const before = provider.asked.length;
    for (let n = 0; n < 10; n++) await valid(await provider.token({}, { kid: `made-up-${n}` })).expect(401);
    expect(provider.asked.length).toBe(before);
  });

  it("are fetched again after a while; until the provider answers, the old ones count", async () => {
    await open({ authRefresh: 0.05 });
    const token = await provider.token();
    await valid(token).expect(200);
    await provider.stop();
    await pause(80);
    await valid(token).expect(200);
    await valid(await provider.token({}, { kid: "unknown" })).expect(401);
    await provider.rotate();
    await provider.start();
    await pause(80);
    await valid(token).expect(401);
    await valid(await provider.token()).expect(200);
  });
});

describe("a provider in trouble is a 503 with a sentence", () => {
  const troubles: [string, () => void | Promise<void>][] = [
    ["not there", () => provider.stop()],
    ["silent", () => void provider.odd.set("/certs", () => {})],
    ["broken", () => void provider.odd.set("/.well-known/openid-configuration", (_req, res) => void res.writeHead(500).end("oops"))],
    ["a page", () => void provider.odd.set("/.well-known/openid-configuration", (_req, res) => void res.end("<html>log in to the network</html>"))],
    ["sending elsewhere", () => void provider.odd.set("/certs", (_req, res) => void res.writeHead(302, { Location: "http://127.0.0.1:1/" }).end())],
    ["endless", () => void provider.odd.set("/certs", (_req, res) => void res.end(`{"keys":[],"x":"${"y".repeat(3 << 20)}"}`))],
    ["without keys", () => void provider.odd.set("/certs", (_req, res) => void res.end(`{"keys":"none"}`))],
  ];
  it.each(troubles)("%s", async (_what, make) => {
    const token = await provider.token();
    await open({ authTimeout: 0.5 });
    await make();
    const { body, headers } = await valid(token).expect(503);
    expect(body.detail).toMatch(/identity provider cannot be reached/);
    expect(Number(headers["retry-after"])).toBeGreaterThan(0);
    await login({ username: "anna", password: "secret" }).expect(503);
    // Who needs no provider is served.
    await request(lab.server.http).get("/auth/").expect(200);
  });

  it("and over when it is back", async () => {
    await provider.stop();
    await open();
    const token = await provider.token();
    await valid(token).expect(503);
    await provider.start();
    await pause(60);
    await valid(token).expect(200);
  });
});

describe("POST /auth/token", () => {
  beforeEach(() => open());

  it("asks the provider, and answers with the token and its type alone", async () => {
    for (const send of [() => login({ username: "anna", password: "secret", grant_type: "password", scope: "x", client_id: "y", client_secret: "z" }),
      () => request(lab.server.http).post("/auth/token").field("username", "anna").field("password", "secret")]) {
      const { body, headers } = await send().expect(200);
      expect(Object.keys(body).sort()).toEqual(["access_token", "token_type"]);
      expect(body.token_type).toBe("Bearer");
      expect(headers["cache-control"]).toBe("no-store");
      await valid(body.access_token).expect(200);
    }
  });

  it("a wrong password is a 401, a missing one a 422", async () => {
    await login({ username: "anna", password: "wrong" }).expect(401).expect("WWW-Authenticate", "Bearer");
    await login({ username: "anna" }).expect(422);
    await login({ username: "anna", password: "secret", grant_type: "client_credentials" }).expect(400);
    await request(lab.server.http).post("/auth/token").send({ username: "anna", password: "secret" }).expect(422);
  });

  it("a provider that breaks in the middle is a 503", async () => {
    await valid(await provider.token()).expect(200);
    provider.odd.set("/token", (_req, res) => void res.writeHead(500).end("oops"));
    await login({ username: "anna", password: "secret" }).expect(503);
    provider.odd.set("/token", (_req, res) => void res.end("{}"));
    await login({ username: "anna", password: "secret" }).expect(503);
  });

  it("guessing is a 429 after ten wrong answers, and right ones do not count", async () => {
    for (let n = 0; n < 12; n++) await login({ username: "anna", password: "secret" }).expect(200);
    for (let n = 0; n < 10; n++) await login({ username: "anna", password: `wrong${n}` }).expect(401);
    const { headers, body } = await login({ username: "anna", password: "secret" }).expect(429);
    expect(Number(headers["retry-after"])).toBeGreaterThan(0);
    expect(body.detail).toMatch(/failed logins/);
  });
});

describe("two people of the same name", () => {
  it("are two: rounds and sessions go by the subject of the token, and client_id says nothing", async () => {
    await open();
    const infer = (token: string) => request(lab.server.http).post("/infer/limnet?image=scan_1&output=json").set("Authorization", `Bearer ${token}`)
      .field("params", JSON.stringify({ client_id: "anna" })).expect(200);
    await infer(await provider.token({ sub: "one" }));
    await infer(await provider.token({ sub: "two" }));
    const users = lab.seen.map(({ user }) => user);
    expect(new Set(users).size).toBe(2);
    expect(users).not.toContain("anna");
  });
});
