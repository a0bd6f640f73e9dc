import { join } from "node:path";
import request from "supertest";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { allEndpoints } from "../../src/server/app.js";
import { expressPath } from "../../src/server/endpoint.js";
import { loginTag } from "../../src/server/routes/auth.js";
import { type Lab, openLab, writeVolume } from "./harness.js";

let lab: Lab;
beforeAll(async () => {
  lab = await openLab(["scan_1.nii.gz"]);
});
afterAll(() => lab.close());
const api = () => request(lab.server.http);

describe("GET /info/", () => {
  it("has what clients draw their panels from, and no top-level config", async () => {
    for (const path of ["/info/", "/info"]) {
      const { body } = await api().get(path).expect(200);
      expect(body).toMatchObject({ name: "test app", labels: ["tumour"], trainers: {}, scoring: { dice: { description: expect.any(String) } }, train_stats: {}, datastore: { total: 1 } });
      expect(body.models).toEqual({ limnet: { type: "deepgrow", labels: ["tumour"], dimension: 3, description: "test", config: { device: ["cpu"] } } });
      expect(body.strategies).toEqual({ first: { description: "Get First Sample" } });
      expect(body).not.toHaveProperty("config");
    }
  });
});

describe("what clients ask in passing", () => {
  it("GET /auth/ is a 404", async () => {
    await api().get("/auth/").expect(404, { detail: "Not Found" });
  });

  it.each([
    ["/train/?check_if_running=true", "No Train Tasks are currently Running"],
    ["/train/?check_if_running=True", "No Train Tasks are currently Running"],
    ["/train/", "No Train Tasks Found"],
    ["/batch/infer", "No Batch_infer Tasks Found"],
    ["/batch/infer/?check_if_running=1", "No Batch_infer Tasks are currently Running"],
    ["/scoring/?check_if_running=yes", "No Scoring Tasks are currently Running"],
  ])("GET %s says idle", async (path, detail) => {
    await api().get(path).expect(404, { detail });
  });

  it("probes", async () => {
    await api().get("/healthz").expect(200, { status: "ok" });
    await api().get("/readyz").expect(200, { status: "ready" });
  });
});

describe("POST /activelearning/{strategy}", () => {
  it("gives a flat object with id, name, path and info, and notes who was served", async () => {
    const { body } = await api().post("/activelearning/first").send({ client_id: "user-xyz" }).expect(200);
    expect(body).toMatchObject({ id: "scan_1", name: "scan_1.nii.gz", path: join(lab.folder, "scan_1.nii.gz"), ts: expect.any(Number) });
    const info = (await lab.datastore.image("scan_1"))!.info;
    expect(info.strategy).toEqual({ first: { ts: expect.any(Number), client_id: "user-xyz" } });
    await api().post("/activelearning/first/").expect(200);
  });

  it("gives {} when nothing is left", async () => {
    await api().put("/datastore/label?image=scan_1").attach("label", join(lab.folder, "scan_1.nii.gz")).expect(200);
    await api().post("/activelearning/first").expect(200, {});
  });

  it("refuses unknown strategies and bodies that are no object", async () => {
    const { body } = await api().post("/activelearning/other").expect(404);
    expect(body.detail).toMatch(/Strategies of this server: first/);
    const form = await api().post("/activelearning/first").type("form").send("a=b").expect(422);
    expect(form.body.detail).toEqual([{ type: "dict_type", loc: ["body"], msg: "Input should be a valid dictionary", input: "a=b" }]);
    await api().post("/activelearning/first").send([1]).expect(422);
    await api().post("/activelearning/first").set("Content-Type", "application/json").send("{x").expect(422);
  });
});

describe("CORS", () => {
  it("echoes the origin with credentials, on answers and errors, and varies by it", async () => {
    for (const path of ["/info/", "/nothing", "/datastore/image"]) {
      const { headers } = await api().get(path).set("Origin", "http://localhost:3000");
      expect(headers).toMatchObject({ "access-control-allow-origin": "http://localhost:3000", "access-control-allow-credentials": "true" });
      expect(headers.vary).toContain("Origin");
    }
    expect((await api().get("/info/")).headers.vary).toContain("Origin");
  });

  it("answers preflights with 200 OK", async () => {
    const { headers, text } = await api().options("/infer/limnet").set("Origin", "http://localhost:3000")
      .set("Access-Control-Request-Method", "POST").set("Access-Control-Request-Headers", "content-type,x-odd").expect(200);
    expect(text).toBe("OK");
    expect(headers).toMatchObject({ "access-control-max-age": "600", "access-control-allow-headers": "content-type,x-odd" });
    expect(headers["access-control-allow-methods"]).toContain("POST");
  });

  it("lets only listed origins in where a list is set", async () => {
    const strict = await openLab([], { corsOrigins: ["http://a.example"] });
    const ask = (origin: string) => request(strict.server.http).get("/healthz").set("Origin", origin);
    expect((await ask("http://a.example")).headers["access-control-allow-origin"]).toBe("http://a.example");
    expect((await ask("http://b.example")).headers["access-control-allow-origin"]).toBeUndefined();
    await strict.close();
  });
});

describe("paths and verbs", () => {
  it("unknown paths are 404, wrong verbs 405 with Allow, all as JSON", async () => {
    await api().get("/nothing/here").expect(404, { detail: "Not Found" });
    const reply = await api().patch("/datastore/image").expect(405, { detail: "Method Not Allowed" });
    expect(reply.headers.allow).toBe("PUT, DELETE, GET, HEAD");
    await api().get("/infer/limnet").expect(405);
    await api().post("/infer/%E0%A4%A").expect(400);
  });

  it("a prefix goes before the API and not before the page", async () => {
    const moved = await openLab([], { prefix: "/limnet" });
    await request(moved.server.http).get("/limnet/info/").expect(200);
    await request(moved.server.http).get("/info/").expect(404);
    await request(moved.server.http).get("/").expect(200);
    await moved.close();
  });
});

describe("the description of the API", () => {
  it("describes text parts so that the page at / offers room to type them, not a file to choose", async () => {
    const { body } = await api().get("/openapi.json").expect(200);
    const { params, file } = body.paths["/infer/{model}"].post.requestBody.content["multipart/form-data"].schema.properties;
    // Swagger UI takes a text with a media type for a file.
    expect(params).not.toHaveProperty("contentMediaType");
    expect([params.type, file.format]).toEqual(["string", "binary"]);
  });

  it("names every route, and every named route is served", async () => {
    const { body } = await api().get("/openapi.json").expect(200);
    expect(body.openapi).toBe("3.1.0");
    const described = Object.entries(body.paths as Record<string, object>).flatMap(([path, verbs]) => Object.keys(verbs).map((verb) => `${verb} ${path}`));
    const stack = (lab.server.http.router as unknown as { stack: { handle: { stack?: { route?: { path: unknown; stack: { method?: string }[] } }[] } }[] }).stack;
    const served = stack.flatMap((layer) => layer.handle.stack ?? []).flatMap(({ route }) => (route && typeof route.path === "string" && !["/openapi.json", "/favicon.ico"].includes(route.path)
      ? route.stack.filter(({ method }) => method).map(({ method }) => `${method} ${route.path}`) : []));
    expect([...described].map((line) => expressPath(line)).sort()).toEqual([...served].sort());
    expect(described.length).toBe(allEndpoints().filter(({ tag }) => tag !== loginTag).length);
    expect(body.paths["/infer/{model}"].post.parameters.map(({ name }: { name: string }) => name)).toEqual(["model", "image", "session_id", "output"]);
  });

  it("is shown at / with files from this server only", async () => {
    const page = await api().get("/").expect(200).expect("Content-Type", /html/);
    for (const [, file] of page.text.matchAll(/(?:src|href)="([^"]+)"/g)) {
      expect(file).toMatch(/^\.\//);
      await api().get(file.slice(1)).expect(200);
    }
    expect(page.headers["content-security-policy"]).not.toContain("upgrade-insecure-requests");
    await api().get("/favicon.ico").expect(200).expect("Content-Type", "image/png");
    await api().get("/package.json").expect(404);
  });
});

describe("sessions", () => {
  it("lend the server an image, which /infer then uses", async () => {
    const path = join(lab.folder, ".lent.nii.gz");
    await writeVolume(path, 7);
    const { body } = await api().put("/session/").attach("files", path, "Jane Doe.nii.gz").field("client_id", "user-xyz").expect(200);
    expect(body.session_info).toEqual({
      name: body.session_id, path: expect.any(String), image: expect.stringMatching(/image\.nii\.gz$/), meta: {},
      create_ts: expect.any(Number), last_access_ts: expect.any(Number), expiry: 3600,
    });
    await api().get(`/session/${body.session_id}?update_ts=true`).expect(200);
    await api().get(`/session/${body.session_id}?image=true`).expect(200).expect("Content-Disposition", /image\.nii\.gz/);
    await api().post(`/infer/limnet?image=nobody&session_id=${body.session_id}&output=json`).expect(200);
    expect(lab.seen.at(-1)!.image).toMatchObject({ id: "", ext: ".nii.gz" });
    await api().delete(`/session/${body.session_id}`).expect(200);
    await api().get(`/session/${body.session_id}`).expect(404, { detail: `Session (${body.session_id}) Not Found` });
    await api().delete("/session/..%2F..").expect(404, { detail: "Session Not Found" });
  });

  it("are refused where they are off", async () => {
    const off = await openLab([], { sessions: false });
    await request(off.server.http).put("/session/").attach("files", Buffer.from("x"), "x.nii").expect(406, { detail: "Session Feature is Not Enabled" });
    await off.close();
  });
});
