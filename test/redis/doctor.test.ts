import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { RedisLink } from "../../src/jobs/redis/link.js";
import { RedisWorker } from "../../src/jobs/redis/worker.js";
import { spaceOf } from "../../src/jobs/redis/space.js";
import { checkRedis } from "../../src/server/doctor/surroundings.js";
import { RedisProcess, until } from "./redis.js";

it("the doctor sees Redis, and the workers of this state folder and these models only", async () => {
  const folder = await mkdtemp(join(tmpdir(), "limnet-doctor-"));
  const redis = await RedisProcess.start();
  const link = new RedisLink({ url: redis.url, space: await spaceOf(folder, "m".repeat(64)) });
  await link.start();
  const worker = new RedisWorker({ link, codec: { pack: (job) => job, unpack: (data) => data, unpackResult: (data) => data }, work: async () => null });
  try {
    expect(await checkRedis(redis.url, folder, "m".repeat(64))).toMatchObject({ state: "warning", remedy: expect.stringContaining("limnet worker") });
    worker.start();
    await until(async () => (await checkRedis(redis.url, folder, "m".repeat(64))).state === "ok", "the worker is seen");
    expect(await checkRedis(redis.url, folder, "n".repeat(64))).toMatchObject({ state: "warning" });
  } finally {
    await worker.close(0);
    link.close();
    await redis.stop();
    await rm(folder, { recursive: true, force: true });
  }
});
