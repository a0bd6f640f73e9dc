/** What the page at / and the log say about logging in. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import request from "supertest";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Log } from "../../src/datastore/log.js";
import { addToken } from "../../src/server/auth/tokens.js";
import { openLab } from "../protocol/harness.js";

let folder: string;
let file: string;
let token: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-described-"));
  file = join(folder, "tokens.json");
  token = await addToken(file, "anna", ["annotator"]);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it("the description offers a name with its password, and a token as it is, for every route that is not open", async () => {
  const lab = await openLab([], { auth: true, tokens: file, prefix: "/limnet" });
  const { body } = await request(lab.server.http).get("/openapi.json").expect(200);
  expect(body.components.securitySchemes).toMatchObject({
    login: { type: "oauth2", flows: { password: { tokenUrl: "/limnet/auth/token" } } },
    token: { type: "http", scheme: "bearer" },
  });
  expect(body.paths["/info/"].get.security).toEqual([{ login: [] }, { token: [] }]);
  expect(body.paths["/auth/token"].post.security).toEqual([]);
  expect(body.paths["/datastore/label"].put.description).toMatch(/role annotator/);
  // What the page does with the first: fetch a token with a form, then send it.
  const { body: got } = await request(lab.server.http).post("/limnet/auth/token").set("Origin", "http://127.0.0.1:1").set("Sec-Fetch-Site", "same-origin")
    .set("Authorization", "Basic Og==").type("form").send({ grant_type: "password", username: "anna", password: token }).expect(200);
  await request(lab.server.http).get("/limnet/info/").set("Authorization", `${got.token_type} ${got.access_token}`).expect(200);
  await lab.close();
});

it("without a login the description asks for none", async () => {
  const lab = await openLab([]);
  const { body } = await request(lab.server.http).get("/openapi.json").expect(200);
  expect(body.components?.securitySchemes).toBeUndefined();
  expect(body.paths["/info/"].get).not.toHaveProperty("security");
  expect(body.paths).not.toHaveProperty("/auth/");
  await request(lab.server.http).post("/auth/token").expect(404);
  await lab.close();
});

it("the log says who asked, and holds no token, no password and no address with one", async () => {
  const lines: string[] = [];
  const note = (level: string) => (message: string, more?: object) => void lines.push(JSON.stringify([level, message, more]));
  const log = { debug: note("debug"), info: note("info"), warn: note("warn"), error: note("error") } as unknown as Log;
  const lab = await openLab(["scan_1.nii.gz"], { auth: true, tokens: file }, log);
  const api = () => request(lab.server.http);
  await api().get(`/info/?token=${token}`).set("Authorization", `Bearer ${token}`).expect(200);
  await api().get("/info/").set("Authorization", "Bearer limnet_secret-that-is-wrong").expect(401);
  await api().get("/info/").set("Authorization", "Bearer aaaa.secret-payload.cccc").expect(401);
  await api().post("/auth/token").type("form").send({ username: "anna", password: token }).expect(200);
  await api().post("/auth/token").type("form").send({ username: "anna", password: "secret-password" }).expect(401);
  await api().post("/infer/limnet?image=scan_1&output=json").set("Authorization", `Bearer ${token}`).field("params", '{"label":"Jane-Doe"}').expect(200);
  await lab.close();
  const text = lines.join("\n");
  expect(text).toContain('"user":"token anna"');
  expect(text).not.toContain(token.slice(7, 30));
  expect(text).not.toMatch(/secret|Jane-Doe|scan_1/);
});
