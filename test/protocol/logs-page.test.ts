import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import request from "supertest";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Lab, openLab } from "./harness.js";

let lab: Lab;
beforeAll(async () => {
  lab = await openLab([]);
});
afterAll(() => lab.close());
const get = (path: string) => request(lab.server.http).get(path);

describe("GET /logs/", () => {
  const file = () => join(lab.folder, ".limnet", "logs", "limnet.log");

  it("is a 404 with the name of the file where none is written", async () => {
    expect((await get("/logs/").expect(404)).body.detail).toMatch(/^Log File limnet\.log NOT Found/);
  });

  it("gives the last lines as a page that renews itself and loads nothing, as text, or all of it", async () => {
    await mkdir(dirname(file()), { recursive: true });
    await writeFile(file(), Array.from({ length: 500 }, (_, n) => `{"n":${n},"x":"<b>"}\n`).join(""));
    const page = await get("/logs/?lines=2").expect(200).expect("Content-Type", /^text\/html/);
    expect(page.text).toMatch(/<td>n=499 x=&lt;b&gt;<\/td>[^]*<td>n=498 x=&lt;b&gt;<\/td>/);
    expect(page.text).not.toContain("n=497");
    expect(page.headers["content-security-policy"]).toMatch(/default-src 'none'; style-src 'sha256-/);
    expect(page.text).toContain('http-equiv="refresh" content="3"');
    expect(page.text).not.toMatch(/script|https?:|src=/);
    expect((await get("/logs?refresh=20")).text).toContain('content="20"');
    for (const query of ["text=true&lines=1", "html=False&lines=1"]) {
      await get(`/logs/?${query}`).expect(200, '{"n":499,"x":"<b>"}\n').expect("Content-Type", /^text\/plain/);
    }
    expect((await get("/logs/?text=true")).text.trimEnd().split("\n")).toHaveLength(300);
    const whole = await get("/logs/?lines=0").buffer(true).expect(200).expect("Content-Disposition", /limnet\.log/);
    expect(whole.body).toEqual(await readFile(file()));
    await get("/logs/?lines=-1").expect(422);
    await get("/logs/?html=perhaps").expect(422);
  });
});

it("GET /logs/gpu is 200 with text, GPU or not", async () => {
  const { text } = await get("/logs/gpu").expect(200).expect("Content-Type", /^text\/plain/);
  expect(text.length).toBeGreaterThan(20);
});

it.each(["/infer/wsi/limnet?output=asap", "/infer/wsi_v2/limnet"])("POST %s is a 501 with a sentence", async (path) => {
  const { body } = await request(lab.server.http).post(path).send({}).expect(501);
  expect(body.detail).toMatch(/does not read whole-slide images/);
});
