/** A file that says which process holds something. A process that was killed holds nothing, so nobody has to clean up. */
import { randomUUID } from "node:crypto";
import { open, readFile, readlink, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds that the removal of a file may take on another machine, and between two looks at it. */
const [claimMs, claimLookMs] = [3000, 20];

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

/** Where the file says nothing that can be read (it is just being written, or its writer was killed in that moment): a holder of nowhere. */
export async function readHold(path: string): Promise<Holder | "gone"> {
  const text = await readFile(path, "utf8").catch(goneOrThrow);
  if (text === null) return "gone";
  try {
    return JSON.parse(text) as Holder;
  } catch {
    const found = await stat(path, { bigint: true }).catch(goneOrThrow);
    return found === null ? "gone" : { nonce: `unread-${found.ino}-${found.mtimeNs}`, pid: 0, started: "", host: "", system: "", since: "" };
  }
}

function goneOrThrow(error: NodeJS.ErrnoException): null {
  if (error.code === "ENOENT") return null;
  throw error;
}

/** Whether the process list says that the holder lives; null where ours does not list it. */
export async function isListed(other: Holder, mine: Holder): Promise<boolean | null> {
  if (other.host !== mine.host || other.system !== mine.system) return null;
  if (other.started !== "") return (await startOf(other.pid)) === other.started;
  return isProcess(other.pid);
}

/** Time of the last sign of life; undefined where the file is gone. */
export async function lastBeat(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => null))?.mtimeMs;
}

/**
 * Removes the file of a dead holder, and no other: between look and deed another one may have taken it. The file of a living one is never
 * touched, not even for a moment: who takes the dead one's file away first makes a claim on it, which only one can have.
 * Resolves when the file of this holder is gone, whoever took it away.
 */
export async function takeAway(path: string, dead: Holder, mine: Holder): Promise<void> {
  const claim = `${path}.${dead.nonce}.gone`;
  while (!(await createHold(claim, mine, { sync: false }))) {
    const other = await readHold(claim);
    if (other === "gone") return;
    // Killed in that moment: its claim is taken away as its file would be. No claim is ever made on a name twice, so this ends.
    if (!(await isAtWork(claim, other, mine))) await takeAway(claim, other, mine);
  }
  try {
    const now = await readHold(path);
    if (now !== "gone" && now.nonce === dead.nonce) await rm(path, { force: true });
  } finally {
    await rm(claim, { force: true });
  }
}

/** Whether whoever made a claim is still about to remove the file, which takes milliseconds. Waits while that may be so. */
async function isAtWork(claim: string, other: Holder, mine: Holder): Promise<boolean> {
  for (let waited = 0; waited < claimMs; waited += claimLookMs) {
    if ((await isListed(other, mine)) === false) return false;
    await sleep(claimLookMs);
    const now = await readHold(claim);
    if (now === "gone" || now.nonce !== other.nonce) return true;
  }
  // On this machine it lives and will go on; on another one it would have been done long ago.
  return (await isListed(other, mine)) === true;
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
