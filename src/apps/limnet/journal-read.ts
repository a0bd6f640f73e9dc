/** From the text of a journal to what it says. */
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { nullIfMissing } from "../../durable.js";
import { fromSnapshot, parseLine } from "./journal-lines.js";
import type { ObjectFolder } from "./object-folder.js";
import { type Entry, emptyHistory, extendHistory, type History } from "./rounds/history.js";

/** `damaged`: lines that cannot be read, or hang on one that cannot. */
export function readHistory(text: string): { history: History; damaged: number } {
  let history = emptyHistory;
  let damaged = 0;
  let n = 0;
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const read = parseLine(line);
    n = Math.max(n, read?.n ?? 0);
    try {
      if (read === null) damaged++;
      else if ("snapshot" in read) history = fromSnapshot(read, extendHistory);
      else history = extendHistory(history, read);
    } catch {
      damaged++;
    }
  }
  return { history: { ...history, n }, damaged };
}

/** All lines that were ever written, the oldest first, archives included. A line that is in two places counts once. */
export async function readEntries(folder: ObjectFolder): Promise<Entry[]> {
  const found = new Map<number, Entry>();
  for (const file of [...(await folder.archives()), folder.file]) {
    const bytes = await readFile(file).catch(nullIfMissing);
    if (bytes === null) continue;
    const text = file.endsWith(".gz") ? await unpacked(bytes) : bytes.toString("utf8");
    for (const line of text.split("\n")) {
      const entry = parseLine(line);
      if (entry && "action" in entry) found.set(entry.n, entry);
    }
  }
  return [...found.values()].sort((a, b) => a.n - b.n);
}

/** An archive that cannot be unpacked any more holds no lines: those of the others are told all the same. */
async function unpacked(bytes: Buffer): Promise<string> {
  return promisify(gunzip)(bytes).then((text) => text.toString("utf8"), () => "");
}

/** Number of the first line; 0 where it cannot be read. */
export function firstNumber(bytes: Buffer): number {
  return parseLine(bytes.toString("utf8", 0, bytes.indexOf(10)))?.n ?? 0;
}
