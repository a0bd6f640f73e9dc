/** Tokens in use: over HTTP, with the command that makes them, and while the server runs. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import request from "supertest";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { tokenCommand } from "../../src/server/auth/command.js";
import { addToken, removeToken } from "../../src/server/auth/tokens.js";
import { loadConfig } from "../../src/server/config.js";
import { startServer } from "../../src/server/start.js";
import { silentLog } from "../../src/datastore/log.js";
import { type Lab, openLab } from "../protocol/harness.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
let folder: string;
let file: string;
let lab: Lab;
let anna: string;
let boss: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-tokens-"));
  file = join(folder, "tokens.json");
  anna = await addToken(file, "anna", ["annotator"]);
  boss = await addToken(file, "boss", ["admin"]);
  lab = await openLab(["scan_1.nii.gz", "scan_2.nrrd"], { auth: true, tokens: file });
});
afterAll(async () => {
  await lab.close();
  await rm(folder, { recursive: true, force: true });
});

const api = () => request(lab.server.http);
const as = (token: string) => ({ Authorization: `Bearer ${token}` });

describe("a token", () => {
  it("is a bearer token; in Slicer's login its name is the user and the token the password", async () => {
    const { body } = await api().post("/auth/token").type("form").send({ username: "anna", password: anna, grant_type: "password" }).expect(200);
    expect(body).toEqual({ access_token: anna, token_type: "Bearer" });
    await api().get("/auth/token/valid").set(as(anna)).expect(200, { username: "anna", email: "", name: "anna", roles: ["monailabel-user", "monailabel-annotator"] });
    await api().post("/auth/token").type("form").send({ username: "boss", password: anna }).expect(401);
    await api().post("/auth/token").type("form").send({ username: "anna", password: "secret" }).expect(401);
    for (const wrong of [`${anna}x`, "limnet_", "x.y.z", "x"]) await api().get("/info/").set(as(wrong)).expect(401, { detail: "Could not validate credentials" });
  });

  it("is not taken from the address, a cookie or a form", async () => {
    await api().get(`/info/?token=${anna}&access_token=${anna}`).set("Cookie", `token=${anna}`).expect(401);
  });

  it("made, or removed, while the server runs counts at once; a damaged file lets nobody in", async () => {
    const late = await addToken(file, "late", ["user"]);
    await api().get("/info/").set(as(late)).expect(200);
    await removeToken(file, "late");
    await api().get("/info/").set(as(late)).expect(401);
    const good = await readFile(file);
    await writeFile(file, "oops");
    await api().get("/info/").set(as(anna)).expect(401);
    await writeFile(file, good);
    await api().get("/info/").set(as(anna)).expect(200);
  });
});

describe("who it was", () => {
  it("is noted as `user` with images, labels and their infos, whatever the client writes", async () => {
    const scan = join(lab.folder, "scan_1.nii.gz");
    await api().put("/datastore/image?image=new").set(as(anna)).attach("file", scan).field("params", '{"user":"somebody","client_id":"c"}').expect(200);
    expect((await lab.datastore.image("new"))!.info).toMatchObject({ user: "anna", client_id: "c" });
    await api().put("/datastore/label?image=new").set(as(anna)).attach("label", scan).field("params", '{"client_id":"c"}').expect(200);
    expect((await lab.datastore.label("new", "final"))!.info).toMatchObject({ user: "anna", client_id: "c" });
    await api().put("/datastore/label/info?label=new&tag=final").set(as(boss)).type("form").send({ info: '{"status":"approved","user":"x"}' }).expect(200);
    expect((await lab.datastore.label("new", "final"))!.info).toMatchObject({ user: "boss", status: "approved" });
    await api().put("/datastore/image/info?image=new").set(as(boss)).type("form").send({ info: "{}" }).expect(200);
    expect((await lab.datastore.image("new"))!.info).toMatchObject({ user: "boss" });
  });

  it("stands in for a client_id at the next sample, and keys the rounds", async () => {
    await api().post("/activelearning/first").set(as(anna)).send({}).expect(200);
    const infos = await Promise.all((await lab.datastore.listUnlabeled()).map((id) => lab.datastore.image(id)));
    expect(JSON.stringify(infos.map((image) => image!.info.strategy))).toContain('"client_id":"anna"');
    for (const token of [anna, boss]) await api().post("/infer/limnet?image=scan_1&output=json").set(as(token)).field("params", '{"client_id":"same"}').expect(200);
    expect(lab.seen.slice(-2).map(({ user }) => user)).toEqual(["token anna", "token boss"]);
  });

  it("owns its sessions: nobody else finds, uses or ends them", async () => {
    const { body } = await api().put("/session/").set(as(anna)).attach("files", join(lab.folder, "scan_1.nii.gz")).expect(200);
    expect(JSON.stringify(body)).not.toContain("owner");
    const path = `/session/${body.session_id}`;
    await api().get(path).set(as(boss)).expect(404);
    await api().delete(path).set(as(boss)).expect(404);
    await api().post(`/infer/limnet?session_id=${body.session_id}&output=json`).set(as(boss)).expect(404);
    await api().post(`/infer/limnet?session_id=${body.session_id}&output=json`).set(as(anna)).expect(200);
    await api().delete(path).set(as(anna)).expect(200);
  });
});

describe("the image of a next sample, which Slicer fetches without a token", () => {
  it("is given once, to the same address, and only after it was handed out", async () => {
    const image = async () => (await api().post("/activelearning/first").set(as(anna)).send({}).expect(200)).body.id as string;
    const id = await image();
    const fetchIt = (headers = {}, other = id) => api().get(`/datastore/image?image=${other}`).set(headers);
    await fetchIt({ "X-Forwarded-For": "10.0.0.1" }).expect(401);
    await fetchIt({}, "scan_1").expect(id === "scan_1" ? 200 : 401);
    if (id === "scan_1") await image();
    await fetchIt({ Authorization: "Bearer wrong" }).expect(401);
    await fetchIt().expect(200);
    await fetchIt().expect(401);
    await image();
    await api().get(`/datastore/label?label=${id}&tag=final`).expect(401);
    await api().delete(`/datastore/image?id=${id}`).expect(401);
  });

  it("can be turned off", async () => {
    const strict = await openLab(["scan_1.nii.gz"], { auth: true, tokens: file, downloadGrant: 0 });
    await request(strict.server.http).post("/activelearning/first").set(as(anna)).send({}).expect(200);
    await request(strict.server.http).get("/datastore/image?image=scan_1").expect(401);
    await strict.close();
  });
});

describe("limnet token", () => {
  async function limnet(...words: string[]): Promise<{ stdout: string; stderr: string }> {
    const said = { stdout: "", stderr: "" };
    const log = vi.spyOn(console, "log").mockImplementation((text) => { said.stdout += `${text}\n`; });
    const error = vi.spyOn(console, "error").mockImplementation((text) => { said.stderr += `${text}\n`; });
    const program = new Command("limnet").exitOverride().configureOutput({ writeErr: () => {} });
    tokenCommand(program);
    for (const command of program.commands.flatMap((one) => [one, ...one.commands])) command.exitOverride().configureOutput({ writeErr: () => {} });
    try {
      await program.parseAsync(["token", ...words, words[0] === "list" ? "--tokens" : "--file", join(folder, "cli.json")], { from: "user" });
    } finally {
      log.mockRestore();
      error.mockRestore();
    }
    return said;
  }

  it("makes, lists and removes", async () => {
    const { stdout, stderr } = await limnet("add", "eve", "--role", "annotator", "--role", "admin", "--days", "30");
    expect(stdout).toMatch(/^limnet_\S{43}\n$/);
    expect(stderr).toMatch(/eve \(annotator, admin, until \d{4}-\d\d-\d\d\).*cannot be shown again/s);
    const listed = await limnet("list");
    expect(listed.stdout).toMatch(/^eve\tannotator,admin\tmade \S+\tgood until \S+\n$/);
    expect(listed.stdout).not.toContain(stdout.trim());
    await limnet("remove", "eve");
    expect((await limnet("list")).stdout).toBe("");
    await expect(limnet("add", "eve", "--role", "king")).rejects.toThrow(/Roles are user, annotator, reviewer, admin/);
    await expect(limnet("add", "eve")).rejects.toThrow(/--role/);
    await expect(limnet("remove", "eve")).rejects.toThrow(/no token "eve"/);
  });
});

describe("starting", () => {
  const start = (settings: object) => startServer(loadConfig({ app: join(root, "sample-apps", "radiology"), studies: join(folder, "studies"), port: 0, ...settings }, {}), silentLog);

  it("with a login that nobody can pass is refused, with the remedy", async () => {
    await expect(start({ auth: true, tokens: join(folder, "none.json") })).rejects.toThrow(/nobody could log in.*limnet token add NAME/s);
    await writeFile(join(folder, "open.json"), '{"version":1,"tokens":[]}', { mode: 0o666 });
    await expect(start({ auth: true, tokens: join(folder, "open.json") })).rejects.toThrow(/chmod 600/);
  });

  it("where others reach it is refused without a login, with the remedy", () => {
    expect(() => loadConfig({ app: "a", studies: "s", host: "0.0.0.0" }, {})).toThrow(/limnet token add NAME.*--auth.*--insecure/s);
    expect(loadConfig({ app: "a", studies: "s", host: "0.0.0.0", auth: true }, {}).auth).toBe(true);
    expect(loadConfig({ app: "a", studies: "s", host: "0.0.0.0" }, { MONAI_LABEL_AUTH_ENABLE: "true" }).auth).toBe(true);
    expect(loadConfig({ app: "a", studies: "s" }, { MONAI_LABEL_AUTH_REALM_URI: "http://localhost:8080/realms/monailabel/" })).toMatchObject({ auth: false, authRealm: "http://localhost:8080/realms/monailabel" });
  });
});
