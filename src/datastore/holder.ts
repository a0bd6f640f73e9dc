/** A file that says which process holds something. A process that was killed holds nothing, so nobody has to clean up. */
import { randomUUID } from "node:crypto";
import { open, readFile, readlink, rename, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";

export interface Holder {
  readonly nonce: string;
  readonly pid: number;
  /** Start of the process as the kernel counts it; "" where that cannot be known. A process id is used again one day. */
  readonly started: string;
  readonly host: string;
  /** Boot and process namespace: where it is ours, the process list tells whether the holder lives; else only its heartbeat does. */
  readonly system: string;
  readonly since: string;
}

/** This process, under a name of its own. */
export async function thisProcess(): Promise<Holder> {
  return { nonce: randomUUID(), pid: process.pid, started: await startOf(process.pid), host: hostname(), system: await systemName(), since: new Date().toISOString() };
}

/** Makes the file; false where there is one. `sync`: it is on the disk then. */
export async function createHold(path: string, mine: Holder, { sync = true } = {}): Promise<boolean> {
  try {
    const file = await open(path, "wx", 0o600);
    try {
      await file.writeFile(JSON.stringify(mine));
      if (sync) await file.sync();
    } finally {
      await file.close();
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") await rm(path, { force: true });
    throw error;
  }
}

/** Null where the file says nothing that can be read: it is just being written, or its writer was killed in that moment. */
export async function readHold(path: string): Promise<Holder | "gone" | null> {
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

/** Whether the process list says that the holder lives; null where ours does not list it. */
export async function isListed(other: Holder | null, mine: Holder): Promise<boolean | null> {
  if (other === null || other.host !== mine.host || other.system !== mine.system) return null;
  if (other.started !== "") return (await startOf(other.pid)) === other.started;
  return isProcess(other.pid);
}

/** Time of the last sign of life; undefined where the file is gone. */
export async function lastBeat(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => null))?.mtimeMs;
}

/** Removes the file of a dead holder, and no other: between look and deed another one may have taken it. */
export async function takeAway(path: string, dead: Holder | null): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  await rename(path, aside).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  const moved = await readHold(aside);
  if (moved !== "gone" && moved?.nonce !== dead?.nonce) await rename(aside, path);
  else await rm(aside, { force: true });
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
