/** Every limit of src/server/limits.ts: what lies below is served, what goes beyond gets the documented answer. */
import { createConnection, type Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import request from "supertest";
import { afterEach, describe, expect, it } from "vitest";
import type { AppLimits } from "../../src/apps/app.js";
import { LimnetApp } from "../../src/apps/limnet/app.js";
import type { LoadOptions } from "../../src/apps/load.js";
import { FakeEngine } from "../../src/apps/limnet/testing.js";
import { silentLog } from "../../src/datastore/log.js";
import { type ConfigInput, loadConfig } from "../../src/server/config.js";
import { startServer } from "../../src/server/start.js";
import { niftiHeader } from "../fixtures/imaging/make.js";
import { type Lab, openLab, rawExchange, shape, writeVolume } from "../protocol/harness.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
let lab: Lab;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await lab.close();
});
const open = async (settings: ConfigInput) => {
  lab = await openLab(["scan_1.nii.gz"], settings);
};
const api = () => request(lab.server.http);
const params = (text: string) => api().post("/infer/limnet?image=scan_1&output=json").field("params", text);

describe("bodies", () => {
  it("a file of more than LIMNET_MAX_UPLOAD_BYTES is a 413, whether its size is told or not", async () => {
    await open({ maxUploadBytes: 1000, maxFieldBytes: 50_000 });
    const scan = join(lab.folder, "scan_1.nii.gz");
    await api().put("/datastore/image?image=a").attach("file", scan).expect(200);
    const big = await api().put("/datastore/image?image=b").attach("file", Buffer.alloc(2000), "b.nii.gz").expect(413);
    expect(big.body.detail).toMatch(/larger than this server accepts/);
    const chunked = api().put("/datastore/image?image=b").set("Content-Type", "multipart/form-data; boundary=b").set("Transfer-Encoding", "chunked");
    for (let n = 0; n < 3; n++) chunked.write(`--b\r\nContent-Disposition: form-data; name="file"; filename="${n}.nii"\r\n\r\n${"x".repeat(800)}\r\n`);
    chunked.write("--b--\r\n");
    expect((await chunked.expect(413)).body.detail).toMatch(/together/);
    const huge = await api().put("/datastore/image?image=b").attach("file", Buffer.alloc(60_000), "b.nii.gz").expect(413);
    expect(huge.body.detail).toMatch(/LIMNET_MAX_UPLOAD_BYTES/);
    expect(await lab.datastore.listImages()).toEqual(["a", "scan_1"]);
  });

  it("a text field of more than LIMNET_MAX_FIELD_BYTES is a 413 in every kind of form", async () => {
    await open({ maxFieldBytes: 100 });
    await params('{"label":"a"}').expect(200);
    const long = JSON.stringify({ label: "x".repeat(200) });
    await params(long).expect(413);
    await api().post("/infer/limnet?image=scan_1&output=json").attach("params", Buffer.from(long), "blob").expect(413);
    await api().post("/infer/limnet?image=scan_1&output=json").type("form").send({ params: long }).expect(413);
  });

  it("a JSON body of more than LIMNET_MAX_JSON_BYTES is a 413, a packed one a 415", async () => {
    await open({ maxJsonBytes: 100 });
    const ask = () => api().post("/activelearning/first").set("Content-Type", "application/json");
    await ask().send('{"a":1}').expect(200);
    await ask().send(JSON.stringify({ a: "x".repeat(200) })).expect(413);
    await ask().set("Content-Encoding", "gzip").send(gzipSync("{}").toString("latin1")).expect(415);
  });

  it("a form of more than LIMNET_MAX_PARTS parts is a 413", async () => {
    await open({ maxParts: 5 });
    const form = (parts: number) => Array.from({ length: parts }).reduce<ReturnType<typeof params>>((one, _, n) => one.field(`f${n}`, "x"), api().post("/infer/limnet?image=scan_1&output=json"));
    await form(5).expect(200);
    await form(6).expect(413);
  });

  it("JSON with more than LIMNET_MAX_JSON_DEPTH arrays and objects inside each other is a 422; brackets in text do not count", async () => {
    await open({ maxJsonDepth: 4 });
    const nested = (depth: number) => `{"a":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)},"b":"[[[[[[\\"[[[[[","c":[[],[],[]]}`;
    await params(nested(4)).expect(200);
    expect((await params(nested(5)).expect(422)).body.detail).toMatch(/LIMNET_MAX_JSON_DEPTH/);
    await api().post("/activelearning/first").send({ a: [[[[]]]] }).expect(422);
    await api().put("/datastore/image/info?image=scan_1").type("form").send({ info: nested(5) }).expect(422);
  });

  it("a million brackets are refused as well with the default", async () => {
    await open({});
    await params(`{"a":${"[".repeat(1e6)}`).expect(422);
    await params(`{"a":${'{"a":'.repeat(1e6)}`).expect(422);
  });
});

describe("volumes", () => {
  const put = (bytes: Buffer) => api().put("/datastore/image?image=v").attach("file", bytes, "v.nii.gz");

  it("of more than LIMNET_MAX_VOXELS are a 422 by their header", async () => {
    await open({ maxVoxels: 24 });
    await put(gzipSync(Buffer.concat([niftiHeader(), Buffer.alloc(24)]))).expect(200);
    expect((await put(gzipSync(Buffer.concat([niftiHeader({ dims: [3, 5, 5, 1] }), Buffer.alloc(25)]))).expect(422)).body.detail).toMatch(/more than the 24/);
    await api().put("/session/").attach("files", gzipSync(niftiHeader({ dims: [3, 5, 5, 1] })), "v.nii.gz").expect(422);
    await api().put("/datastore/label?image=scan_1").attach("label", gzipSync(niftiHeader({ dims: [3, 5, 5, 1] })), "v.nii.gz").expect(422);
  });

  it("of more than LIMNET_MAX_VOLUME_BYTES unpacked are a 422, also where a header hides them before the voxels", async () => {
    await open({ maxVolumeBytes: 352 + 24 });
    await put(gzipSync(Buffer.concat([niftiHeader(), Buffer.alloc(24)]))).expect(200);
    await put(gzipSync(Buffer.concat([niftiHeader({ code: 64 }), Buffer.alloc(192)]))).expect(422);
    expect((await put(gzipSync(Buffer.concat([niftiHeader({ offset: 1e9 }), Buffer.alloc(24)]))).expect(422)).body.detail).toMatch(/when unpacked/);
  });
});

describe("the app", () => {
  /** The app itself behind the server; only its engine is played, and waits for `go`. */
  async function openApp(limits: AppLimits & { maxWaiting?: number }, go: Promise<void> = Promise.resolve()) {
    await open({});
    const engine = new FakeEngine(shape);
    engine.before = () => go;
    const app = new LimnetApp({ name: "t", description: "", version: "0", labels: [], engine, stateDir: join(lab.folder, ".objects"), limits, queueing: limits });
    await app.start();
    lab.behave.run = (request, options) => app.models.get("limnet")!.run(request, options);
    return app;
  }
  const clicks = (count: number, label = "a") => JSON.stringify({ label, foreground: Array.from({ length: count }, (_, n) => [n % 4, n >> 2, 0]) });

  it("takes LIMNET_MAX_CLICKS clicks of an object, and names of LIMNET_MAX_LABEL_LENGTH characters; more are a 422", async () => {
    const app = await openApp({ maxClicks: 3, maxLabelLength: 5 });
    await params(clicks(3, "kidné")).expect(200);
    expect((await params(clicks(4)).expect(422)).body.detail).toMatch(/LIMNET_MAX_CLICKS/);
    expect((await params(clicks(1, "kidney")).expect(422)).body.detail).toMatch(/LIMNET_MAX_LABEL_LENGTH/);
    await app.close();
  });

  it("refuses volumes of the folder that are larger than LIMNET_MAX_VOXELS", async () => {
    const app = await openApp({ maxVoxels: 23 });
    expect((await params(clicks(1)).expect(422)).body.detail).toMatch(/more than the 23/);
    await app.close();
  });

  it("lets LIMNET_MAX_WAITING requests wait; the next is a 503 with Retry-After", async () => {
    let release = () => {};
    const app = await openApp({ maxWaiting: 1 }, new Promise((resolve) => { release = resolve; }));
    const running = ["a", "b", "c"].map((label) => params(clicks(1, label)).then((reply) => reply));
    const first = await Promise.race(running);
    expect(first.status).toBe(503);
    expect(Number(first.headers["retry-after"])).toBeGreaterThan(0);
    expect(first.body.detail).toMatch(/LIMNET_MAX_WAITING/);
    release();
    expect((await Promise.all(running)).map(({ status }) => status).sort()).toEqual([200, 200, 503]);
    await app.close();
  });

  it("is given the limits of the settings", async () => {
    let given: Pick<LoadOptions, "limits" | "queueing"> | undefined;
    await open({});
    const settings = loadConfig({ app: join(root, "sample-apps", "radiology"), studies: lab.folder, state: join(lab.folder, ".other"), port: 0, maxClicks: 7, maxLabelLength: 8, maxVoxels: 9, maxWaiting: 10 }, {});
    await expect(startServer(settings, silentLog, async (options) => {
      given = options;
      throw new Error("enough");
    })).rejects.toThrow("enough");
    expect(given).toMatchObject({ limits: { maxClicks: 7, maxLabelLength: 8, maxVoxels: 9 }, queueing: { maxWaiting: 10 } });
  });
});

describe("sessions", () => {
  it("more than LIMNET_MAX_SESSIONS are a 429; one that ended makes room", async () => {
    await open({ maxSessions: 2 });
    const path = join(lab.folder, ".lent.nii.gz");
    await writeVolume(path);
    const lend = () => api().put("/session/?expiry=1").attach("files", path);
    const [first] = [await lend().expect(200), await lend().expect(200)];
    const { headers, body } = await lend().expect(429);
    expect(headers["retry-after"]).toBe("60");
    expect(body.detail).toMatch(/LIMNET_MAX_SESSIONS/);
    await api().delete(`/session/${first.body.session_id}`).expect(200);
    await lend().expect(200);
    // By themselves they end after a second.
    await expect.poll(async () => (await lend()).status, { timeout: 20_000, interval: 500 }).toBe(200);
  });
});

describe("requests a minute", () => {
  it("more than LIMNET_REQUESTS_PER_MINUTE are a 429 with Retry-After, also on errors", async () => {
    await open({ requestsPerMinute: 3 });
    for (const path of ["/info/", "/nothing", "/info/"]) await api().get(path);
    const { headers, body } = await api().get("/info/").set("Origin", "http://localhost:3000").expect(429);
    expect(Number(headers["retry-after"])).toBeGreaterThan(0);
    expect(headers["access-control-allow-origin"]).toBe("http://localhost:3000");
    expect(body.detail).toMatch(/LIMNET_REQUESTS_PER_MINUTE/);
  });

  it("are counted by address: a header cannot change it unless a proxy is known", async () => {
    await open({ requestsPerMinute: 2, trustProxy: 0 });
    for (let n = 0; n < 2; n++) await api().get("/info/").set("X-Forwarded-For", `10.0.0.${n}`).expect(200);
    await api().get("/info/").set("X-Forwarded-For", "10.0.0.9").expect(429);
    await lab.close();
    await open({ requestsPerMinute: 2, trustProxy: 1 });
    for (let n = 0; n < 4; n++) await api().get("/info/").set("X-Forwarded-For", `10.0.0.${n}`).expect(200);
  });

  it("are not counted on this machine without a login", async () => {
    await open({});
    expect(lab.config.requestsPerMinute).toBe(0);
  });
});

describe("connections", () => {
  /** Everything that comes back on a connection that sends `text` and then nothing. */
  function hold(port: number, text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = createConnection(port, "127.0.0.1", () => socket.write(text));
      sockets.push(socket);
      let got = "";
      socket.on("data", (chunk) => { got += chunk.toString("latin1"); });
      socket.on("close", () => resolve(got));
      socket.on("error", reject);
    });
  }

  it("headers that come too slowly (LIMNET_HEADERS_SECONDS) are a 408", async () => {
    await open({ headersSeconds: 1 });
    const { port } = await lab.server.listen();
    expect(await hold(port, "GET /info/ HTTP/1.1\r\nHost: x\r\nX-Slow: ")).toMatch(/^HTTP\/1\.1 408 /);
  });

  it("a request that takes too long to arrive (LIMNET_REQUEST_SECONDS) is a 408", async () => {
    await open({ headersSeconds: 1, requestSeconds: 2 });
    const { port } = await lab.server.listen();
    expect(await hold(port, "POST /activelearning/first HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")).toMatch(/^HTTP\/1\.1 408 /);
  });

  it("a body that stalls (LIMNET_STALL_SECONDS) is cut off, and leaves no file behind", async () => {
    await open({ stallSeconds: 1 });
    const { port } = await lab.server.listen();
    const head = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.nii.gz"\r\n\r\nabc';
    expect(await hold(port, `PUT /datastore/image HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 5000\r\n\r\n${head}`)).not.toMatch(/ 200 /);
    expect(await lab.datastore.listImages()).toEqual(["scan_1"]);
    await api().get("/info/").expect(200);
  });

  it("nobody who waits for a slow answer is cut off by that", async () => {
    await open({ stallSeconds: 1 });
    const { port } = await lab.server.listen();
    const run = lab.behave.run;
    lab.behave.run = async (...all) => {
      await new Promise((resolve) => setTimeout(resolve, 2500));
      return run(...all);
    };
    const { head } = await rawExchange(port, "POST /infer/limnet?image=scan_1&output=json HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\nparams={}");
    expect(head).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("without a byte for LIMNET_IDLE_SECONDS is closed", async () => {
    await open({ idleSeconds: 1 });
    const { port } = await lab.server.listen();
    expect(await hold(port, "")).toBe("");
  });

  it("headers of more than LIMNET_MAX_HEADER_BYTES are a 431", async () => {
    await open({ maxHeaderBytes: 2000 });
    const { port } = await lab.server.listen();
    const { head } = await rawExchange(port, `GET /info/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Long: ${"x".repeat(3000)}\r\n\r\n`);
    expect(head).toMatch(/^HTTP\/1\.1 431 /);
  });

  it("more than LIMNET_MAX_CONNECTIONS are closed, and those that are there go on", async () => {
    await open({ maxConnections: 2 });
    const { port } = await lab.server.listen();
    const held = [hold(port, "GET /hea"), hold(port, "GET /hea")];
    await expect.poll(() => rawExchange(port, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").then(({ head }) => head, () => ""), { timeout: 10_000 }).toBe("");
    sockets[0].write("lthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    expect(await held[0]).toMatch(/^HTTP\/1\.1 200 /);
  });
});
