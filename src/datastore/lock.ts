/**
 * MONAI Label takes `flock` on DIR/.lock while it touches the index. Node has no flock, but Linux lists the locks that are held:
 * we wait for the other program a little, and never hang.
 */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** Waits while another process holds the lock file of the folder, at most `patience` milliseconds. True where it became free. */
export async function waitForLock(folder: string, patience = 2000): Promise<boolean> {
  const end = Date.now() + patience;
  for (;;) {
    if (!(await isLocked(join(folder, ".lock")))) return true;
    if (Date.now() >= end) return false;
    await delay(50);
  }
}

async function isLocked(path: string): Promise<boolean> {
  if (process.platform !== "linux") return false;
  try {
    const { ino } = await stat(path);
    const held = await readFile("/proc/locks", "utf8");
    return held.split("\n").some((line) => line.includes("WRITE") && line.includes(`:${ino} `));
  } catch {
    return false;
  }
}
