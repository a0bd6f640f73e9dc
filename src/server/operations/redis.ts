/** The way to the workers: `--redis`. */
import type { SegmentQueue } from "../../apps/limnet/object-request.js";
import type { Log } from "../../datastore/log.js";
import { packJob, type Roots, unpackJob, unpackResult } from "../../engine/packing.js";
import type { Progress, SegmentJob, SegmentResult } from "../../engine/protocol.js";
import type { QueueObserver } from "../../jobs/jobs.js";
import type { Peers } from "../../jobs/peers.js";
import { RedisLink } from "../../jobs/redis/link.js";
import type { JobCodec } from "../../jobs/redis/messages.js";
import { RedisPeers } from "../../jobs/redis/peers.js";
import { RedisQueue } from "../../jobs/redis/queue.js";
import { spaceOf } from "../../jobs/redis/space.js";
import { isArchive } from "../archive-settings.js";
import type { Config } from "../config.js";

/** Jobs as they travel between machines that mount studies and state folder. */
export function codecOf(config: Config): JobCodec<SegmentJob, SegmentResult> {
  // The volumes of an archive lie in the cache, which the machines share then.
  const studies = isArchive(config.studies) ? (config.cacheFolder ?? null) : config.studies;
  const roots: Roots = { studies, state: config.state };
  return { pack: (job) => packJob(job, roots), unpack: (data) => unpackJob(data, roots), unpackResult };
}

/** Connects, or goes on trying: a server without Redis serves images and refuses clicks. */
export async function connect(config: Config & { redis: string }, model: string, log: Log): Promise<RedisLink> {
  const link = new RedisLink({ url: config.redis, space: await spaceOf(config.state, model), log });
  await link.start();
  return link;
}

/** The way of a server to workers elsewhere, and to other servers. `model`: digest of the networks that the workers must run. */
export async function openElsewhere(config: Config & { redis: string }, model: string, log: Log, observer?: QueueObserver): Promise<{ queue: SegmentQueue; peers: Peers }> {
  const link = await connect(config, model, log);
  const queue = new RedisQueue<SegmentJob, SegmentResult, Progress>({ link, codec: codecOf(config), observer, maxWaiting: config.maxWaiting });
  return { queue, peers: new RedisPeers(link) };
}
