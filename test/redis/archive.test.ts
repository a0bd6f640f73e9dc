/** Workers of a server whose studies lie in an archive: what they share is the cache of volumes, wherever each machine has it. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { silentLog } from "../../src/datastore/log.js";
import { loadConfig } from "../../src/server/config.js";
import { startWorker, type RunningWorker } from "../../src/server/operations/worker.js";
import { type RunningServer, startServer } from "../../src/server/start.js";
import { ctSeries, series } from "../archive/series.js";
import { OrthancLab } from "../orthanc/lab.js";
import { hasOrthanc } from "../orthanc/orthanc.js";
import { RedisProcess, until } from "./redis.js";

describe.skipIf(!hasOrthanc)("a server on an archive, with a worker", () => {
  let lab: OrthancLab;
  let redis: RedisProcess;
  let server: RunningServer;
  let worker: RunningWorker;
  let elsewhere: string;

  beforeAll(async () => {
    lab = await OrthancLab.open();
    redis = await RedisProcess.start();
    const dicom = join(lab.folder, "dicom");
    await mkdir(dicom);
    for (const [n, { file }] of ctSeries(8, 64).entries()) await writeFile(join(dicom, `IM${n}`), file);
    await lab.add(dicom);
    // The machine of the worker has the shared folders under other names.
    elsewhere = await mkdtemp(join(tmpdir(), "limnet-elsewhere-"));
    await mkdir(join(lab.folder, "state"));
    await mkdir(join(lab.folder, "cache"));
    await symlink(join(lab.folder, "state"), join(elsewhere, "s"));
    await symlink(join(lab.folder, "cache"), join(elsewhere, "c"));
    const settings = { app: "sample-apps/radiology", studies: lab.orthanc.url, port: 0, redis: redis.url, stopSeconds: 2 };
    server = await startServer(loadConfig({ ...settings, state: join(lab.folder, "state"), cacheFolder: join(lab.folder, "cache") }, {}), silentLog);
    worker = await startWorker(loadConfig({ ...settings, state: join(elsewhere, "s") }, { LIMNET_CACHE: join(elsewhere, "c") }), silentLog);
  }, 120_000);

  afterAll(async () => {
    await worker?.close();
    await server?.close();
    await redis?.stop();
    await lab?.close();
    if (elsewhere) await rm(elsewhere, { recursive: true, force: true });
  });

  const click = (foreground: number[][]) => {
    const form = new FormData();
    form.append("params", JSON.stringify({ foreground, label: "liver", result_extension: ".nrrd" }));
    return fetch(`${server.url}/infer/limnet?image=${series}&output=json`, { method: "POST", body: form });
  };

  it("answers clicks in rounds and goes back, through the cache that both have under names of their own", async () => {
    await until(async () => (await fetch(`${server.url}/readyz`)).status === 200, "the worker is seen");
    for (const [round, foreground] of [[[30, 30, 4]], [[30, 30, 4], [20, 34, 2]]].entries()) {
      const answer = await click(foreground);
      const told = (await answer.json()) as { limnet: { round: number; model: string }; detail?: string };
      expect([answer.status, told.detail]).toEqual([200, undefined]);
      expect(told.limnet.round).toBe(round + 1);
    }
    const figures = await (await fetch(`${server.url}/metrics`)).text();
    expect(figures).toMatch(/limnet_archive_request_duration_seconds_count\{method="GET",status="200"\} [1-9]/);
    expect(figures).toMatch(/limnet_feature_cache_requests_total\{result="miss"\} [1-9]/);
    expect(figures).toMatch(/limnet_feature_cache_requests_total\{result="hit"\} [1-9]/);
    const undone = await fetch(`${server.url}/limnet/v1/undo?image=${series}&label=liver&output=json`, { method: "POST" });
    expect(await undone.json()).toMatchObject({ limnet: { round: 1, redo: 1 } });
  }, 240_000);
});
