/** Small JSON files, each written whole or not at all, so that two servers may use one folder. */
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { makeFolder, nullIfMissing, replaceFile } from "../../durable.js";

/** Undefined where there is no such file, or none that is whole. */
export async function readJson<T>(path: string): Promise<T | undefined> {
  const text = await readFile(path, "utf8").catch(nullIfMissing);
  try {
    return text === null ? undefined : JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}

/** On disk when it returns. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  await writeWhole(path, Buffer.from(JSON.stringify(value)));
}

/** Writes a file under another name, syncs it, and gives it its name. */
export async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  await makeFolder(dirname(path));
  await replaceFile(path, bytes);
}
