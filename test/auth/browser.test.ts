/** The login of a browser whose viewer sends no token: OHIF under /ohif/ (docs/security.md). */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import request from "supertest";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addToken, removeToken } from "../../src/server/auth/tokens.js";
import { type Lab, openLab } from "../protocol/harness.js";

let lab: Lab;
let folder: string;
let tokens: string;
let token: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-browser-"));
  tokens = join(folder, "tokens.json");
  token = await addToken(tokens, "jane", ["annotator"]);
  const ohif = join(folder, "ohif");
  await mkdir(ohif);
  await writeFile(join(ohif, "index.html"), "<title>viewer</title>");
  await writeFile(join(ohif, "app.js"), "1;");
  lab = await openLab(["scan_1.nii.gz"], { auth: true, tokens, ohif });
});
afterAll(async () => {
  await lab.close();
  await rm(folder, { recursive: true, force: true });
});

const host = "limnet.example:8000";
const page = { Host: host, Accept: "text/html,application/xhtml+xml" };
const http = () => request(lab.server.http);
const logIn = (fields: Record<string, string>, accept = page.Accept) =>
  http().post("/login").set({ ...page, Accept: accept, Origin: `http://${host}` }).type("form").send({ username: "jane", password: token, ...fields });
/** "name=value", as a browser sends it back. */
async function cookie(): Promise<string> {
  return (await logIn({})).headers["set-cookie"][0].split(";")[0];
}

describe("a browser without a login", () => {
  it("is led from the viewer to the page that logs in, and from there back", async () => {
    const viewer = await http().get("/ohif/viewer?StudyInstanceUIDs=1.2.3").set(page);
    expect([viewer.status, viewer.headers.location]).toEqual([303, `/login?next=${encodeURIComponent("/ohif/viewer?StudyInstanceUIDs=1.2.3")}`]);
    const form = await http().get(viewer.headers.location).set(page);
    expect([form.status, form.type]).toEqual([200, "text/html"]);
    expect(form.text).toContain('value="/ohif/viewer?StudyInstanceUIDs=1.2.3"');
    expect(form.text).not.toContain("<script");
    expect(form.headers["content-security-policy"]).toContain("default-src 'none'");
    const sent = await logIn({ next: "/ohif/viewer?StudyInstanceUIDs=1.2.3" });
    expect([sent.status, sent.headers.location]).toEqual([303, "/ohif/viewer?StudyInstanceUIDs=1.2.3"]);
    expect(sent.headers["set-cookie"]).toEqual([expect.stringMatching(/^limnet_login=\S+; Path=\/; HttpOnly; SameSite=Strict$/)]);
    expect((await http().get("/ohif/").set({ ...page, Cookie: await cookie() })).text).toContain("viewer");
  });

  it("still gets the program files of the viewer, which hold no data", async () => {
    expect((await http().get("/ohif/app.js").set(page)).status).toBe(200);
    expect((await http().get("/ohif/").set({ Host: host, Accept: "*/*" })).status).toBe(200);
  });

  it("is told that name and password do not fit: as a page, or as JSON to a program", async () => {
    const refused = await logIn({ password: "wrong" });
    expect([refused.status, refused.type, refused.headers["set-cookie"]]).toEqual([401, "text/html", undefined]);
    expect(refused.text).toContain('role="alert"');
    expect((await logIn({ password: "wrong" }, "application/json")).body).toEqual({ detail: expect.stringContaining("wrong") });
    expect((await http().post("/login").set(page).type("form").send({ username: "jane" })).status).toBe(422);
  });

  it.each(["//evil.example/", "/\\evil.example", "https://evil.example/", "javascript:alert(1)", "/%0d%0aSet-Cookie: a=b", ""])("is never led away from here: next=%s", async (next) => {
    const { headers: { location } } = await logIn({ next });
    expect(location).toMatch(/^\/(?![/\\])[\x21-\x7e]*$/);
    expect(new URL(location, `http://${host}`).host).toBe(host);
  });

  it("escapes what it is told to go on to", async () => {
    expect((await http().get(`/login?next=${encodeURIComponent('/x?"><script>alert(1)</script>')}`).set(page)).text).not.toContain("<script");
  });
});

describe("the login cookie", () => {
  it("counts for what a page of this server asks, with the roles of the token", async () => {
    const own = { Host: host, Cookie: await cookie(), "Sec-Fetch-Site": "same-origin" };
    expect((await http().get("/info/").set(own)).status).toBe(200);
    expect((await http().get("/auth/token/valid").set(own)).body).toMatchObject({ username: "jane" });
    expect((await http().put("/datastore/image/info?image=scan_1").set({ ...own, Origin: `http://${host}` }).type("form").send({ info: "{}" })).status).toBe(200);
    expect((await http().delete("/datastore/image?id=scan_1").set({ ...own, Origin: `http://${host}` })).status).toBe(403);
  });

  it.each([
    ["another site embeds", "get", { "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors" }, [401, 403]],
    ["another port of the machine embeds", "get", { "Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors" }, [401]],
    ["another port of the machine fetches", "get", { Origin: "http://limnet.example:9000" }, [401, 403]],
    ["nobody says to have sent, and which changes something", "put", {}, [401]],
    ["an opaque page sends", "put", { Origin: "null" }, [401, 403]],
  ] as const)("does not count for what %s", async (_who, method, headers, statuses) => {
    const asked = http()[method](method === "get" ? "/datastore/image?image=scan_1" : "/datastore/image/info?image=scan_1");
    expect(statuses).toContain((await asked.set({ Host: host, Cookie: await cookie(), ...headers })).status);
  });

  it("does not stand in for a token that is wrong, and goes with logging out or with its token", async () => {
    const own = { Host: host, Cookie: await cookie() };
    expect((await http().get("/info/").set({ ...own, Authorization: "Bearer wrong" })).status).toBe(401);
    const out = await http().post("/logout").set({ ...own, Origin: `http://${host}` });
    expect(out.headers["set-cookie"]).toEqual([expect.stringMatching(/^limnet_login=;.*Max-Age=0$/)]);
    expect((await http().get("/info/").set(own)).status).toBe(200);
    await removeToken(tokens, "jane");
    expect((await http().get("/info/").set(own)).status).toBe(401);
    token = await addToken(tokens, "jane", ["annotator"]);
  });

  it("is Secure behind a trusted proxy that speaks https", async () => {
    const proxied = await openLab(["scan_1.nii.gz"], { auth: true, tokens, trustProxy: 1 });
    const sent = await request(proxied.server.http).post("/login").set({ ...page, Origin: `https://${host}`, "X-Forwarded-Proto": "https" }).type("form").send({ username: "jane", password: token });
    expect(sent.headers["set-cookie"][0]).toContain("; Secure");
    await proxied.close();
  });
});
