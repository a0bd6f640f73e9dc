/** Writing so that a crash loses nothing that was told: bytes and names are on the disk when these return. */
import { open, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";

/** Changes when the file does; "" where there is none. */
export async function stampOf(file: string): Promise<string> {
  const found = await stat(file, { bigint: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  return found ? `${found.ino}.${found.size}.${found.mtimeNs}` : "";
}

/** The same of a file that other machines write: opening it makes a network file system ask. */
export async function freshStampOf(file: string): Promise<string> {
  const handle = await open(file, "r").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
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

/** After a crash there is the old file or the new one, never a part. */
export async function replaceFile(file: string, content: string | Buffer): Promise<void> {
  const temporary = `${file}.tmp`;
  try {
    await writeFile(temporary, content, { mode: 0o600, flush: true });
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(path.dirname(file));
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
