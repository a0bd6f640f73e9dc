/** A worker from settings to running and back: an engine that takes jobs from Redis. */
import { existsSync } from "node:fs";
import { openEngine } from "../../apps/load.js";
import type { Log } from "../../datastore/log.js";
import type { Progress, SegmentJob, SegmentResult } from "../../engine/protocol.js";
import { withoutPassword } from "../../jobs/redis/link.js";
import { RedisWorker } from "../../jobs/redis/worker.js";
import { isArchive } from "../archive-settings.js";
import { type Config, ConfigError } from "../config.js";
import { usualMemory } from "./memory.js";
import { codecOf, connect } from "./redis.js";

export interface RunningWorker {
  readonly id: string;
  /** Without its password. */
  readonly redis: string;
  close(): Promise<void>;
}

/** Throws ConfigError, LimnetError bad_model. */
export async function startWorker(config: Config, log: Log): Promise<RunningWorker> {
  const { redis, studies } = config;
  if (redis === undefined) throw new ConfigError("Which queue? Name the address of Redis with --redis, for example --redis redis://127.0.0.1:6379.");
  if (!isArchive(studies) && !existsSync(studies)) throw new ConfigError(`The studies folder ${studies} does not exist on this machine. Mount the one that the server uses.`);
  const { engine, modelDigest } = await openEngine({ conf: config.conf, logger: log, memoryBytes: config.memory ?? await usualMemory() });
  const link = await connect({ ...config, redis }, modelDigest, log).catch(async (error: Error) => {
    await engine.close();
    throw new ConfigError(`The state folder ${config.state} cannot be used: ${error.message}`, { cause: error });
  });
  try {
    await engine.start();
  } catch (error) {
    link.close();
    await engine.close();
    throw error;
  }
  const worker = new RedisWorker<SegmentJob, SegmentResult, Progress>({ link, codec: codecOf(config), log, work: (job, run) => engine.segment(job, run) });
  worker.start();
  return {
    id: worker.id,
    redis: withoutPassword(redis),
    async close() {
      await worker.close(config.stopSeconds * 1000);
      link.close();
      await engine.close();
    },
  };
}
