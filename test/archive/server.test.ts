/** A whole server on an archive that is slow: what a person with a mouse notices. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { silentLog } from "../../src/datastore/log.js";
import { loadConfig } from "../../src/server/config.js";
import { type RunningServer, startServer } from "../../src/server/start.js";
import { type FakeArchive, openFake } from "./fake.js";
import { ctSeries, series } from "./series.js";

let folder: string;
let fake: FakeArchive;
let server: RunningServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-archive-server-"));
  fake = await openFake(ctSeries(8, 64));
  server = await startServer(loadConfig({
    app: fileURLToPath(new URL("../../sample-apps/radiology", import.meta.url)), studies: fake.url, port: 0, state: join(folder, "state"), cacheFolder: join(folder, "cache"),
  }, {}), silentLog);
});
afterAll(async () => {
  await server?.close();
  await fake.close();
  await rm(folder, { recursive: true, force: true });
});

async function click(model: string, voxel: number[]): Promise<{ status: number; bytes: number }> {
  const form = new FormData();
  form.append("params", JSON.stringify({ foreground: [voxel], background: [], label: "liver", result_extension: ".nrrd" }));
  const answer = await fetch(`${server.url}/infer/${model}?image=${series}&output=image`, { method: "POST", body: form });
  return { status: answer.status, bytes: (await answer.arrayBuffer()).byteLength };
}

describe("a series that takes its time to arrive", () => {
  it("is the next sample at once, and a click on a slice is answered before the others have come; a click in space waits for them", async () => {
    fake.mischief = "very slow";
    const next = await (await fetch(`${server.url}/activelearning/first`, { method: "POST" })).json() as { id: string };
    expect([next.id, fake.wholes]).toEqual([series, 0]);
    for (const k of [6, 2]) {
      const flat = await click("limnet_2d", [30, 30, k]);
      expect(flat.status).toBe(200);
      expect(flat.bytes).toBeGreaterThan(100);
      expect(fake.wholes).toBe(0);
    }
    expect((await click("limnet", [30, 30, 4])).status).toBe(200);
    expect(fake.wholes).toBe(1);
    expect(fake.elsewhere).toEqual([]);
  });
});
