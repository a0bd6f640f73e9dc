/**
 * Who may serve a state folder: one server, or several that share a Redis and take turns (file-turns.ts). Workers do not write journals
 * and need no hold.
 */
import { readdir, rm, utimes } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createHold, type Holder, isListed, lastBeat, readHold, takeAway, thisProcess } from "./holder.js";
import { type Log, silentLog } from "./log.js";

export const holdName = "server.lock";
const sharedName = /^server-[0-9a-f-]{36}\.lock$/;

export interface HoldOptions {
  readonly log?: Log;
  /** Milliseconds between two signs of life. */
  readonly beatMs?: number;
  /** Others that share may serve the folder, too. */
  readonly shared?: boolean;
}

export interface Hold {
  release(): Promise<void>;
}

/** The folder is held by a process that lives. The message says what to do. */
export class FolderHeld extends Error {}

/** Takes the folder, which has to be there. Throws FolderHeld. A holder on another machine is watched for three beats before it counts as gone. */
export async function holdFolder(folder: string, { log = silentLog, beatMs = 5000, shared = false }: HoldOptions = {}): Promise<Hold> {
  const mine = await thisProcess();
  const path = join(folder, shared ? `server-${mine.nonce}.lock` : holdName);
  while (!(await createHold(path, mine))) await refuseLiving(path, mine, beatMs, (other) => held(folder, other));
  try {
    // First its own file, then a look at those of the other kind: of two that start at once, one sees the other.
    const others = shared ? [holdName] : (await readdir(folder)).filter((name) => sharedName.test(name));
    for (const name of others) await refuseLiving(join(folder, name), mine, beatMs, (other) => mixed(folder, other, shared));
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
  const timer = setInterval(() => {
    const now = new Date();
    void readHold(path).then((holder) => {
      if (holder !== "gone" && holder.nonce === mine.nonce) return utimes(path, now, now);
      log.error("The lock of the state folder is gone or taken by another server. Stop one of the two.");
      clearInterval(timer);
    }).catch((error: Error) => log.warn("The lock of the state folder cannot be kept fresh", { error: error.message }));
  }, beatMs);
  timer.unref();
  return {
    async release() {
      clearInterval(timer);
      const holder = await readHold(path);
      if (holder !== "gone" && holder.nonce === mine.nonce) await rm(path, { force: true });
    },
  };
}

/** Takes the file of a dead holder away; throws where the holder lives. */
async function refuseLiving(path: string, mine: Holder, beatMs: number, refusal: (other: Holder) => Error): Promise<void> {
  const other = await readHold(path);
  if (other === "gone") return;
  if (await lives(path, other, mine, beatMs)) throw refusal(other);
  await takeAway(path, other, mine);
}

async function lives(path: string, other: Holder, mine: Holder, beatMs: number): Promise<boolean> {
  const listed = await isListed(other, mine);
  if (listed !== null) return listed;
  const first = await lastBeat(path);
  for (let waited = 0; waited < 3 * beatMs; waited += beatMs / 5) {
    await sleep(beatMs / 5);
    if ((await lastBeat(path)) !== first) return true;
  }
  return false;
}

const named = (other: Holder) => (other.host !== "" ? ` (process ${other.pid} on ${other.host}, since ${other.since})` : "");

function held(folder: string, other: Holder): FolderHeld {
  return new FolderHeld(
    `Another limnet server uses the state folder ${folder}${named(other)}. Two servers on one folder would write the same journals. ` +
    "Use that server, stop it, or give this one other --studies or another --state. Several servers may share a folder of scans if all have the same --redis.");
}

function mixed(folder: string, other: Holder, shared: boolean): FolderHeld {
  return new FolderHeld(shared
    ? `A limnet server that shares with nobody (without --redis, or with an archive as studies) uses the state folder ${folder}${named(other)}. Stop it, or start it with the same --redis and a folder as studies.`
    : `Limnet servers that share the state folder ${folder} through Redis are at work${named(other)}. Start this one with the same --redis, stop them, or give this one another --state.`);
}
