/** Turns that several servers share: the numbers of ../turns.ts, in a hash of Redis. */
import { createHash } from "node:crypto";
import type { Urgency } from "../jobs.js";
import type { RedisLink } from "./link.js";

/** KEYS[1]: hash; ARGV[1]: owner. Answers the number of a new job. The hash goes when nothing was asked for a day. */
const take = `
local served = tonumber(redis.call('HGET', KEYS[1], 'served') or '0')
local nextTurn = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
local turn = math.max(served, nextTurn)
redis.call('HSET', KEYS[1], ARGV[1], turn + 1)
redis.call('EXPIRE', KEYS[1], 86400)
return turn`;

/** ARGV[1]: number of a job that begins. */
const serve = `
local served = tonumber(redis.call('HGET', KEYS[1], 'served') or '0')
if tonumber(ARGV[1]) > served then redis.call('HSET', KEYS[1], 'served', ARGV[1]) end
return 0`;

const hash = (link: RedisLink, urgency: Urgency) => link.key("turns", urgency);

/** Owners are hashed: names of users stay out of Redis. */
export async function takeTurn(link: RedisLink, urgency: Urgency, owner: string): Promise<number> {
  const field = createHash("sha256").update(owner).digest("hex").slice(0, 16);
  return Number(await link.client.eval(take, 1, hash(link, urgency), field));
}

export async function serveTurn(link: RedisLink, urgency: Urgency, turn: number): Promise<void> {
  await link.client.eval(serve, 1, hash(link, urgency), turn);
}
