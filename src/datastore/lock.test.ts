import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { waitForLock } from "./lock.js";

function hasFlock(): boolean {
  try {
    execFileSync("flock", ["--version"]);
    return process.platform === "linux";
  } catch {
    return false;
  }
}

it.runIf(hasFlock())("waits while another program holds the lock, and not for ever", async () => {
  const folder = await mkdtemp(join(tmpdir(), "limnet-lock-"));
  expect(await waitForLock(folder)).toBe(true);
  await writeFile(join(folder, ".lock"), "");
  expect(await waitForLock(folder)).toBe(true);
  const holder = spawn("flock", [join(folder, ".lock"), "sh", "-c", "echo held; exec sleep 0.6"]);
  await once(holder.stdout, "data");
  expect(await waitForLock(folder, 100)).toBe(false);
  expect(await waitForLock(folder, 5000)).toBe(true);
  await rm(folder, { recursive: true });
});
