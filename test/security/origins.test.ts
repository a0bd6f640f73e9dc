/** Web pages: those of this server and, without a login, of this machine may use it; others only where a setting says so. */
import request from "supertest";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type ConfigInput } from "../../src/server/config.js";
import { type Lab, openLab } from "../protocol/harness.js";

let lab: Lab;
const others: Lab[] = [];
beforeAll(async () => {
  lab = await openLab();
});
afterEach(async () => {
  for (const one of others.splice(0)) await one.close();
});
afterAll(() => lab.close());

const open = async (settings: ConfigInput) => {
  const opened = await openLab(["scan_1.nii.gz"], settings);
  others.push(opened);
  return opened;
};
const info = (headers: Record<string, string>, { server } = lab) => request(server.http).get("/info/").set(headers);

describe("without a login, on this machine", () => {
  it.each(["http://localhost:3000", "http://127.0.0.1:3000", "https://localhost", "http://[::1]:5173", "http://ohif.localhost:3000"])("a page of %s may read", async (origin) => {
    const { headers } = await info({ Origin: origin }).expect(200);
    expect(headers["access-control-allow-origin"]).toBe(origin);
  });

  it.each(["https://evil.example", "http://localhost.evil.example", "http://127.0.0.1.evil.example", "null", "file://", "http://192.168.1.7:8000", "localhost:3000", ""])("a page of %j may neither read nor send", async (origin) => {
    const { headers, body } = await info({ Origin: origin }).expect(403);
    expect(headers).not.toHaveProperty("access-control-allow-origin");
    expect(headers.vary).toContain("Origin");
    expect(body.detail).toContain("--allow-origin");
    // A form of a hostile page needs no permission to be sent, so it has to be refused before it is heard.
    await request(lab.server.http).delete("/datastore/label?id=scan_1&tag=final").set("Origin", origin).expect(403);
    const asked = await request(lab.server.http).options("/infer/limnet").set({ Origin: origin, "Access-Control-Request-Method": "POST" }).expect(403);
    expect(asked.headers).not.toHaveProperty("access-control-allow-origin");
  });

  it.each(["localhost:8000", "LOCALHOST.", "127.0.0.1:8000", "127.5.5.5", "[::1]:8000", "10.0.0.7:8000", "workstation"])("answers to the name %s", async (host) => {
    await info({ Host: host }).expect(200);
  });

  it("does not answer to a name that somebody else made point here (DNS rebinding)", async () => {
    const { body } = await info({ Host: "rebound.evil.example:8000", Origin: "http://rebound.evil.example:8000" }).expect(421);
    expect(body.detail).toContain("LIMNET_ALLOW_HOSTS");
    await info({ Host: "rebound.evil.example:8000", "Sec-Fetch-Site": "same-origin" }).expect(421);
    const proxied = await open({ allowHosts: ["limnet.clinic.example"] });
    await info({ Host: "limnet.clinic.example" }, proxied).expect(200);
    await info({ Host: "other.clinic.example" }, proxied).expect(421);
  });

  it("is not embedded by other sites, while links to it work", async () => {
    await info({ "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors" }).expect(403);
    await info({ "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate" }).expect(200);
    await info({ "Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors" }).expect(200);
  });
});

describe("--allow-origin", () => {
  it("lets the named pages in, here and across the border to a private network", async () => {
    const open1 = await open({ corsOrigins: ["https://viewer.example"] });
    const { headers } = await info({ Origin: "https://viewer.example" }, open1).expect(200);
    expect(headers).toMatchObject({ "access-control-allow-origin": "https://viewer.example", "access-control-allow-credentials": "true" });
    const asked = await request(open1.server.http).options("/info/")
      .set({ Origin: "https://viewer.example", "Access-Control-Request-Method": "GET", "Access-Control-Request-Private-Network": "true" }).expect(200);
    expect(asked.headers["access-control-allow-private-network"]).toBe("true");
    await info({ Origin: "https://viewer.example.evil.example" }, open1).expect(403);
  });

  it("* lets all in, as MONAI Label does", async () => {
    const all = await open({ corsOrigins: ["*"] });
    expect((await info({ Origin: "https://anywhere.example" }, all).expect(200)).headers["access-control-allow-origin"]).toBe("https://anywhere.example");
  });
});

describe("where others reach the server", () => {
  it("with --insecure, pages of the same host may use it, whatever their port", async () => {
    const lan = await open({ host: "0.0.0.0", insecure: true });
    await info({ Host: "gpu.clinic.example:8000", Origin: "http://gpu.clinic.example:3000" }, lan).expect(200);
    await info({ Host: "gpu.clinic.example:8000", Origin: "https://evil.example" }, lan).expect(403);
  });

  it("with a login, only its own pages and those of the setting", async () => {
    const closed = await open({ host: "0.0.0.0", auth: true, tokens: "/nowhere/tokens.json", corsOrigins: ["https://viewer.example"] });
    const ask = (headers: Record<string, string>) => request(closed.server.http).get("/auth/").set({ Host: "gpu.clinic.example:8000", ...headers });
    await ask({ Origin: "https://viewer.example" }).expect(200);
    await ask({ Origin: "http://gpu.clinic.example:8000" }).expect(200);
    await ask({ Origin: "https://limnet.example", "Sec-Fetch-Site": "same-origin" }).expect(200);
    await ask({ Origin: "http://gpu.clinic.example:3000" }).expect(403);
    await ask({ Origin: "http://localhost:3000" }).expect(403);
  });
});

describe("headers", () => {
  it("of answers allow nothing at all, of the page only its own files", async () => {
    const { headers } = await info({}).expect(200);
    expect(headers["content-security-policy"]).toBe("default-src 'none';base-uri 'none';form-action 'none';frame-ancestors 'none'");
    expect(headers).toMatchObject({ "x-content-type-options": "nosniff", "x-frame-options": "DENY", "referrer-policy": "no-referrer", "cross-origin-resource-policy": "same-site" });
    const page = await request(lab.server.http).get("/").expect(200);
    const policy = Object.fromEntries(String(page.headers["content-security-policy"]).split(";").map((line) => [line.split(" ")[0], line.split(" ").slice(1).join(" ")]));
    expect(policy).toMatchObject({ "default-src": "'none'", "script-src": "'self'", "connect-src": "'self'", "frame-ancestors": "'none'" });
    expect(Object.values(policy).join(" ")).not.toMatch(/https?:|unsafe-eval|\*/);
    expect(page.text).not.toMatch(/<script(?![^>]*\ssrc=)[^>]*>\s*\S|\son\w+=/);
  });
});
