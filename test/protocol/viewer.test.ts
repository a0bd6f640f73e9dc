import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import request from "supertest";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Lab, openLab } from "./harness.js";

let folder: string;
let lab: Lab;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-ohif-"));
  await mkdir(join(folder, "ohif", "assets"), { recursive: true });
  await writeFile(join(folder, "secret.txt"), "secret");
  await writeFile(join(folder, "ohif", "index.html"), "<html>viewer</html>");
  await writeFile(join(folder, "ohif", "assets", "app.js"), "run()");
  await symlink(join(folder, "secret.txt"), join(folder, "ohif", "link.txt"));
  lab = await openLab([], { ohif: join(folder, "ohif") });
});
afterAll(async () => {
  await lab.close();
  await rm(folder, { recursive: true, force: true });
});
const get = (path: string) => request(lab.server.http).get(path);

describe("GET /ohif/ with a build of the viewer", () => {
  it("serves files in sub-folders, and the index for every other address", async () => {
    await get("/ohif/assets/app.js").expect(200, "run()").expect("Content-Type", /javascript/);
    for (const path of ["/ohif/", "/ohif", "/ohif/viewer?StudyInstanceUIDs=1.2.3", "/ohif/assets", "/ohif/a/b/c"]) {
      await get(path).expect(200, "<html>viewer</html>").expect("Content-Type", /html/);
    }
    expect((await get("/ohif/")).headers["content-security-policy"]).toContain("worker-src 'self' blob:");
  });

  it("tells the panel of MONAI Label which server it is on", async () => {
    const page = await get("/ohif/viewer?StudyInstanceUIDs=1.2.3").set("Host", "127.0.0.1:8123");
    expect(page.headers["set-cookie"]).toEqual([`MONAILABEL_SERVER_URL=${encodeURIComponent("http://127.0.0.1:8123/")}; Path=/ohif; SameSite=Strict`]);
    expect((await get("/ohif/assets/app.js")).headers["set-cookie"]).toBeUndefined();
  });

  it("never leaves its folder", async () => {
    for (const path of ["/ohif/..%2Fsecret.txt", "/ohif/%2e%2e/secret.txt", "/ohif/assets/..%2f..%2fsecret.txt", "/ohif/link.txt", "/ohif/%00"]) {
      expect((await get(path)).text, path).not.toBe("secret");
    }
  });
});

describe("GET /ohif/ without one", () => {
  it("is a 404 that says how: a page to browsers, JSON to programs", async () => {
    const bare = await openLab([]);
    const page = await request(bare.server.http).get("/ohif/").set("Accept", "text/html,*/*").expect(404).expect("Content-Type", /html/);
    expect(page.text).toContain("--ohif");
    const { body } = await request(bare.server.http).get("/ohif/index.html").expect(404);
    expect(body.detail).toMatch(/^Resource NOT Found.*--ohif/);
    await bare.close();
  });
});
