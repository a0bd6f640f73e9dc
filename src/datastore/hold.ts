/**
 * One server per state folder: two would write the same journals. The lock is a file that says which process holds it; a process that
 * was killed holds nothing, so nobody has to clean up. Workers of the same server do not write journals and need no lock.
 */
import { randomUUID } from "node:crypto";
import { open, readFile, readlink, rename, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Log, silentLog } from "./log.js";

export const holdName = "server.lock";

interface Holder {
  readonly nonce: string;
  readonly pid: number;
  /** Start of the process as the kernel counts it; "" where that cannot be known. A process id is used again one day. */
  readonly started: string;
  readonly host: string;
  /** Boot and process namespace: where it is ours, the process list tells whether the holder lives; else only its heartbeat does. */
  readonly system: string;
  readonly since: string;
}

export interface HoldOptions {
  readonly log?: Log;
  /** Milliseconds between two signs of life. */
  readonly beatMs?: number;
}

export interface Hold {
  release(): Promise<void>;
}

/** The folder is held by a process that lives. The message says what to do. */
export class FolderHeld extends Error {}

/** Takes the folder, which has to be there. Throws FolderHeld. A holder on another machine is watched for three beats before it counts as gone. */
export async function holdFolder(folder: string, { log = silentLog, beatMs = 5000 }: HoldOptions = {}): Promise<Hold> {
  const path = join(folder, holdName);
  const mine: Holder = {
    nonce: randomUUID(), pid: process.pid, started: await startOf(process.pid), host: hostname(), system: await systemName(), since: new Date().toISOString(),
  };
  while (!(await create(path, mine))) {
    const other = await read(path);
    if (other === "gone") continue;
    if (await lives(path, other, mine, beatMs)) throw held(folder, other);
    await takeAway(path, other);
  }
  const timer = setInterval(() => {
    const now = new Date();
    void read(path).then((holder) => {
      if (holder !== "gone" && holder?.nonce === mine.nonce) return utimes(path, now, now);
      log.error("The lock of the state folder is gone or taken by another server. Stop one of the two.");
      clearInterval(timer);
    }).catch((error: Error) => log.warn("The lock of the state folder cannot be kept fresh", { error: error.message }));
  }, beatMs);
  timer.unref();
  return {
    async release() {
      clearInterval(timer);
      const holder = await read(path);
      if (holder !== "gone" && holder?.nonce === mine.nonce) await rm(path, { force: true });
    },
  };
}

async function create(path: string, mine: Holder): Promise<boolean> {
  try {
    const file = await open(path, "wx", 0o600);
    try {
      await file.writeFile(JSON.stringify(mine));
      await file.sync();
    } finally {
      await file.close();
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    await rm(path, { force: true });
    throw error;
  }
}

/** Null where the file says nothing that can be read: it is just being written, or its writer was killed in that moment. */
async function read(path: string): Promise<Holder | "gone" | null> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  if (text === null) return "gone";
  try {
    return JSON.parse(text) as Holder;
  } catch {
    return null;
  }
}

async function lives(path: string, other: Holder | null, mine: Holder, beatMs: number): Promise<boolean> {
  if (other !== null && other.host === mine.host && other.system === mine.system) {
    if (other.started !== "") return (await startOf(other.pid)) === other.started;
    return isProcess(other.pid);
  }
  const beat = async () => (await stat(path).catch(() => null))?.mtimeMs;
  const first = await beat();
  for (let waited = 0; waited < 3 * beatMs; waited += beatMs / 5) {
    await sleep(beatMs / 5);
    if ((await beat()) !== first) return true;
  }
  return false;
}

/** Removes the lock of a dead holder, and no other: between look and deed another server may have taken it. */
async function takeAway(path: string, dead: Holder | null): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  await rename(path, aside).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  const moved = await read(aside);
  if (moved !== "gone" && moved?.nonce !== dead?.nonce) await rename(aside, path);
  else await rm(aside, { force: true });
}

function held(folder: string, other: Holder | null): FolderHeld {
  const who = other ? ` (process ${other.pid} on ${other.host}, since ${other.since})` : "";
  return new FolderHeld(
    `Another limnet server uses the state folder ${folder}${who}. Two servers on one folder would write the same journals. ` +
    "Use that server, stop it, or give this one other --studies or another --state.");
}

/** Field 22 of /proc/PID/stat; "" for no process, or no Linux. */
async function startOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The name of the program is in brackets and may hold anything.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" ? "" : (fields[19] ?? "");
}

async function systemName(): Promise<string> {
  const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "");
  return `${boot.trim()} ${await readlink("/proc/self/ns/pid").catch(() => "")}`;
}

function isProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
