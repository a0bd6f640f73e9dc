/** Moving a finished temporary file to its place, durably. */
import { randomBytes } from "node:crypto";
import { copyFile, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { syncFolder } from "./index-file.js";

/** Takes `from` over as `to`. Another file of that name is replaced in one step; readers see the old or the new, never half. */
export async function moveInto(from: string, to: string): Promise<void> {
  try {
    await syncFile(from);
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
    const temporary = join(dirname(to), `.${randomBytes(6).toString("hex")}.${basename(to).slice(-40)}.tmp`);
    try {
      await copyFile(from, temporary);
      await syncFile(temporary);
      await rename(temporary, to);
    } catch (copyError) {
      await rm(temporary, { force: true });
      throw copyError;
    }
    await rm(from, { force: true });
  }
  await syncFolder(dirname(to));
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, "r+");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
