/** Who may what: every route says it, and what it says is what the protocol (1.3) asks for. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import request from "supertest";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { allEndpoints } from "../../src/server/app.js";
import { type Role, roles } from "../../src/server/auth/roles.js";
import { addToken } from "../../src/server/auth/tokens.js";
import { accessOf, type Endpoint } from "../../src/server/endpoint.js";
import { type Lab, openLab } from "../protocol/harness.js";

let lab: Lab;
let folder: string;
const tokens = new Map<Role, string>();
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-auth-"));
  const file = join(folder, "tokens.json");
  for (const role of roles) tokens.set(role, await addToken(file, `the-${role}`, [role]));
  lab = await openLab(["scan_1.nii.gz"], { auth: true, tokens: file });
});
afterAll(async () => {
  await lab.close();
  await rm(folder, { recursive: true, force: true });
});

const name = ({ method, path }: Endpoint) => `${method.toUpperCase()} ${path}`;
/** Some path of the template; what is not there is a 404, which only those get to see who may ask. */
const ask = ({ method, path }: Endpoint, token?: string) => {
  const asked = request(lab.server.http)[method](path.replace(/\{[^}]+\}/g, "none-such"));
  return token === undefined ? asked : asked.set("Authorization", `Bearer ${token}`);
};

describe("every route", () => {
  it("says which role it needs (`role` in src/server/routes): \"user\" would count where one says nothing", () => {
    expect(allEndpoints().filter(({ role }) => role === undefined).map(name)).toEqual([]);
  });

  it.each(allEndpoints().map((one) => [name(one), one] as const))("%s lets in who has its role or a higher one, and nobody else", async (_name, one) => {
    const access = accessOf(one);
    const anonymous = await ask(one);
    if (access === "public") return expect([401, 403]).not.toContain(anonymous.status);
    expect(anonymous.status).toBe(401);
    expect(anonymous.headers["www-authenticate"]).toBe("Bearer");
    for (const role of roles) {
      // What a stream or a long job would do is not of interest here, only whether it is refused.
      const allowed = access === "login" || roles.indexOf(role) >= roles.indexOf(access);
      const { status } = await ask(one, tokens.get(role));
      expect({ role, refused: status === 401 || status === 403 }).toEqual({ role, refused: !allowed });
    }
  });
});

describe("the roles of the protocol", () => {
  /** Part 1.3: U, A and D there are user, annotator and admin. */
  const table: Record<string, string> = {
    "GET /info/": "user", "POST /infer/{model}": "user",
    "GET /batch/infer": "user", "POST /batch/infer/{model}": "admin", "DELETE /batch/infer": "admin",
    "GET /train/": "user", "POST /train/": "admin", "POST /train/{model}": "admin", "DELETE /train/": "admin",
    "GET /scoring/": "user", "POST /scoring/": "annotator", "POST /scoring/{method}": "annotator", "DELETE /scoring/": "annotator",
    "POST /activelearning/{strategy}": "user",
    "GET /datastore/": "user", "PUT /datastore/": "annotator", "DELETE /datastore/": "admin",
    "GET /datastore/image": "user", "HEAD /datastore/image": "user", "PUT /datastore/image": "annotator", "DELETE /datastore/image": "admin",
    "GET /datastore/image/info": "user", "PUT /datastore/image/info": "annotator",
    "GET /datastore/label": "user", "HEAD /datastore/label": "user", "PUT /datastore/label": "annotator", "DELETE /datastore/label": "admin",
    "GET /datastore/label/info": "user", "PUT /datastore/label/info": "annotator", "PUT /datastore/updatelabelinfo": "annotator",
    "GET /datastore/dataset": "annotator",
    "GET /session/{session_id}": "user", "PUT /session/": "user", "DELETE /session/{session_id}": "user",
    "GET /auth/": "public", "POST /auth/token": "public", "GET /auth/token/valid": "login",
  };
  /** Served by some versions only; where they are, they need these. */
  const later: Record<string, string> = {
    "POST /infer/wsi/{model}": "user", "POST /infer/wsi_v2/{model}": "user",
    "GET /model/{model}": "admin", "GET /model/info/{model}": "admin", "PUT /model/{model}": "annotator", "DELETE /model/{model}": "annotator",
    "GET /logs/": "admin", "GET /logs/gpu": "admin",
  };

  it("are those of the routes", () => {
    const ours = Object.fromEntries(allEndpoints().map((one) => [name(one), accessOf(one)]));
    expect(ours).toMatchObject(table);
    for (const [route, role] of Object.entries(later)) if (route in ours) expect([route, ours[route]]).toEqual([route, role]);
  });
});
