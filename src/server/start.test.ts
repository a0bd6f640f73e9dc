import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { App } from "../apps/app.js";
import { silentLog } from "../datastore/log.js";
import { type ConfigInput, loadConfig } from "./config.js";
import { startServer } from "./start.js";

let folder: string;
let events: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-start-"));
  await writeFile(join(folder, "app.json"), "{}");
  events = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const app: App = {
  name: "test", description: "", version: "0", labels: ["x"], models: new Map(), strategies: new Map(),
  async start() { events.push("app started"); },
  async close() { events.push("app closed"); },
};
const start = (settings: ConfigInput = {}) =>
  startServer(loadConfig({ app: folder, studies: join(folder, "scans"), port: 0, ...settings }, {}), silentLog, async () => app);

describe("startServer", () => {
  it("makes the studies folder, listens on a free port, and stops all that it started", async () => {
    const server = await start();
    expect(server).toMatchObject({ images: 0, url: `http://127.0.0.1:${server.port}` });
    expect(existsSync(join(folder, "scans", "datastore_v2.json"))).toBe(true);
    // Journals and sessions are nobody else's on this machine.
    expect((await stat(join(folder, "scans", ".limnet"))).mode & 0o777).toBe(0o700);
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    await server.close();
    expect(events).toEqual(["app started", "app closed"]);
    await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
  });

  it("writes its log to a file below the state folder too, which GET /logs/ shows", async () => {
    const config = loadConfig({ app: folder, studies: join(folder, "scans"), port: 0, verbose: "info" }, {});
    const server = await startServer(config, undefined, async () => app);
    expect((await fetch(`${server.url}/info/`)).status).toBe(200);
    await expect.poll(async () => (await fetch(`${server.url}/logs/?text=true&lines=50`)).text(), { timeout: 10_000 }).toContain('"route":"/info/"');
    await server.close();
    expect(await readFile(config.logFile, "utf8")).toContain('"route":"/info/"');
  });

  it.runIf(process.platform === "linux")("says that a studies folder cannot be made, where mkdir would be busy for ever", async () => {
    await expect(start({ studies: "/proc/nowhere", state: join(folder, "state") })).rejects.toThrow(/\/proc\/nowhere does not exist and cannot be made.*--studies/);
    expect(events).toEqual([]);
  });

  it("says that a port is taken, and leaves nothing running", async () => {
    const first = await start();
    await expect(start({ port: first.port, studies: join(folder, "other") })).rejects.toThrow(/Port \d+ is taken.*--port/);
    expect(events).toEqual(["app started", "app started", "app closed"]);
    await first.close();
  });

  it("refuses, in words, a folder that another server works on", async () => {
    const first = await start();
    await expect(start()).rejects.toThrow(/Another limnet server uses the state folder .*--state/);
    expect((await fetch(`${first.url}/healthz`)).status).toBe(200);
    await first.close();
    await (await start()).close();
  });

  it("says what is wrong with the app folder and with studies that are a file", async () => {
    await expect(start({ app: join(folder, "nowhere") })).rejects.toThrow(/does not exist/);
    await expect(start({ app: tmpdir() })).rejects.toThrow(/app\.json/);
    await expect(start({ studies: join(folder, "app.json") })).rejects.toThrow(/have to be a folder/);
  });
});
