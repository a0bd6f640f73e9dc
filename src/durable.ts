/** Writing so that a crash loses nothing that was told: bytes and names are on the disk when these return. */
import { randomBytes } from "node:crypto";
import { copyFile, mkdir, open, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";

/** For `catch`: null where there is no such file. Anything else (no rights, too many open files) says nothing about what is there. */
export function nullIfMissing(error: NodeJS.ErrnoException): null {
  if (error.code === "ENOENT" || error.code === "ENOTDIR") return null;
  throw error;
}

/** What may be otherwise a moment later. */
const passing = new Set(["EMFILE", "ENFILE", "ENOMEM", "EAGAIN", "EINTR"]);

/** For `catch`: null where nothing is found. Nothing may be concluded from what fails because the server is short of something. */
export function nullIfAway(error: NodeJS.ErrnoException): null {
  if (passing.has(error.code ?? "")) throw error;
  return null;
}

/** Changes when the file does; "" where there is none. */
export async function stampOf(file: string): Promise<string> {
  const found = await stat(file, { bigint: true }).catch(nullIfMissing);
  return found ? `${found.ino}.${found.size}.${found.mtimeNs}` : "";
}

/** The same of a file that other machines write: opening it makes a network file system ask. */
export async function freshStampOf(file: string): Promise<string> {
  const handle = await open(file, "r").catch(nullIfMissing);
  await handle?.close();
  return handle ? stampOf(file) : "";
}

/** Bytes at the end of a file; on the disk when it returns. */
export async function appendSynced(file: string, text: string): Promise<void> {
  const handle = await open(file, "a", 0o600);
  try {
    await handle.appendFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** After a crash there is the old file or the new one, never a part; so there is after a failure. Not `sync`: it need not last. */
export async function replaceFile(file: string, content: Parameters<typeof writeFile>[1], { mode = 0o600, sync = true } = {}): Promise<void> {
  await replaceBy(file, (temporary) => writeFile(temporary, content, { mode, flag: "wx", flush: sync }), sync);
}

/** Takes `from` over as `to`, in one step: readers see the old file or the new one. */
export async function moveInto(from: string, to: string): Promise<void> {
  try {
    await syncFile(from);
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
    await copyInto(from, to);
    await rm(from, { force: true });
    return;
  }
  await syncFolder(path.dirname(to));
}

/** A copy of `from` as `to`, which appears whole. */
export async function copyInto(from: string, to: string): Promise<void> {
  await replaceBy(to, async (temporary) => {
    await copyFile(from, temporary);
    await syncFile(temporary);
  });
}

/** `write` makes the temporary file, hidden and in the same folder, and has it on the disk. */
async function replaceBy(file: string, write: (temporary: string) => Promise<void>, sync = true): Promise<void> {
  const temporary = path.join(path.dirname(file), `.${randomBytes(6).toString("hex")}.${path.basename(file).slice(-40)}.tmp`);
  try {
    await write(temporary);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  if (sync) await syncFolder(path.dirname(file));
}

/** Makes a folder and those above it that are missing: what is put into it is found again. */
export async function makeFolder(folder: string, mode = 0o777): Promise<void> {
  await keepFolder(folder, await mkdir(folder, { recursive: true, mode }));
}

/** `made`: the first folder that `mkdir` has just made on the way to `folder`, if any. */
export async function keepFolder(folder: string, made: string | undefined): Promise<void> {
  if (made !== undefined) for (let at = folder; at.length >= made.length; at = path.dirname(at)) await syncFolder(path.dirname(at));
}

/** What was written to the file is on the disk when it returns. */
export async function syncFile(target: string): Promise<void> {
  const handle = await open(target, "r+");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Folders cannot be synced everywhere. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => null);
  if (handle === null) return;
  try {
    await handle.sync();
  } catch {
    // Windows, some network file systems.
  } finally {
    await handle.close();
  }
}
