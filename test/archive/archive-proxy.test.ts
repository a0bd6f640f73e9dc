/** /proxy/dicom on an archive that misbehaves: what reaches the archive, and what reaches the viewer. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { silentLog } from "../../src/datastore/log.js";
import { loadConfig } from "../../src/server/config.js";
import { type RunningServer, startServer } from "../../src/server/start.js";
import { type FakeArchive, type Mischief, openFake } from "./fake.js";
import { ctSeries, series, study } from "./series.js";

const basic = `Basic ${Buffer.from("limnet:secret").toString("base64")}`;
let folder: string;
let fake: FakeArchive;
let server: RunningServer;

beforeAll(async () => {
  vi.stubEnv("LIMNET_DICOMWEB_USERNAME", "limnet");
  vi.stubEnv("LIMNET_DICOMWEB_PASSWORD", "secret");
  folder = await mkdtemp(join(tmpdir(), "limnet-archive-proxy-"));
  fake = await openFake(ctSeries(8, 64));
  fake.authorization = basic;
  server = await startServer(loadConfig({
    app: fileURLToPath(new URL("../../sample-apps/radiology", import.meta.url)), studies: fake.url, port: 0, state: join(folder, "state"), cacheFolder: join(folder, "cache"), archiveTimeout: 1,
  }, {}), silentLog);
});
afterEach(() => {
  fake.mischief = "none";
  fake.authorization = basic;
});
afterAll(async () => {
  await server?.close();
  await fake.close();
  await rm(folder, { recursive: true, force: true });
  vi.unstubAllEnvs();
});

const whole = `studies/${study}/series/${series}`;
const get = (path: string, headers: Record<string, string> = {}) => fetch(`${server.url}/proxy/dicom/${path}`, { headers });

describe("the proxy in front of an archive", () => {
  it("carries query, Accept and Range on, and the credentials of this server in the place of those of the client", async () => {
    fake.requests.length = 0;
    const sent = { Accept: "application/dicom+json", Range: "bytes=0-9", Cookie: "session=mine", Authorization: "Bearer mine", "X-Api-Key": "mine", "X-Forwarded-For": "10.0.0.9" };
    const answer = await get("qido/series?Modality=CT&limit=7&token=mine", sent);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toMatch(/^application\/dicom\+json/);
    const [{ line, headers }] = fake.requests;
    expect(line).toBe("GET /dicom-web/series?Modality=CT&limit=7");
    expect(headers).toMatchObject({ accept: "application/dicom+json", range: "bytes=0-9", authorization: basic, host: new URL(fake.url).host });
    expect(JSON.stringify(headers)).not.toContain("mine");
    expect(JSON.stringify(headers)).not.toContain("10.0.0.9");
  });

  it("never shows the archive's credentials, nor asks the viewer for them", async () => {
    fake.authorization = "another";
    const answer = await get(`wado/${whole}/metadata`);
    expect(answer.status).toBe(502);
    expect(answer.headers.get("www-authenticate")).toBeNull();
    expect(await answer.text()).toMatch(/refuses the user or token/);
    fake.authorization = basic;
    const text = await (await get(`wado/${whole}/metadata`)).text();
    expect(text).not.toContain("secret");
  });

  const troubles: [Mischief, number, RegExp][] = [
    ["html", 502, /web page/], ["html in the middle", 502, /web page/], ["redirects away", 502, /another host/], ["401 in the middle", 502, /refuses the user/],
    ["silent", 504, /within 1 s/], ["down", 502, /archive/i],
  ];
  it.each(troubles)("says in words what is wrong with an archive that does this: %s", async (mischief, status, words) => {
    fake.mischief = mischief;
    const answer = await get(`wado/${whole}`);
    expect([answer.status, (await answer.json() as { detail: string }).detail]).toEqual([status, expect.stringMatching(words)]);
    expect(fake.elsewhere).toEqual([]);
    fake.mischief = "none";
    expect((await get(`wado/${whole}`)).status).toBe(200);
  });

  it("cuts an answer that was cut off, so that half of it does not look like a whole one", async () => {
    fake.mischief = "reset";
    await expect(get(`wado/${whole}`).then((answer) => answer.arrayBuffer())).rejects.toThrow();
  });
});
