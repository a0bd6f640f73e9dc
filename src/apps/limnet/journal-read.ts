/** From the text of a journal to what it says. */
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { nullIfMissing } from "../../durable.js";
import { fromSnapshot, parseLine } from "./journal-lines.js";
import type { ObjectFolder } from "./object-folder.js";
import { type Entry, emptyHistory, extendHistory, type History } from "./rounds/history.js";

export interface Told {
  readonly history: History;
  /** Lines that cannot be read, or hang on one that cannot. */
  readonly damaged: number;
}

/** What a journal says. */
export function readHistory(text: string): Told {
  return follow(text.split("\n").filter((line) => line !== "").map(parseLine));
}

/**
 * The same for a damaged journal, whose archives still hold what its first line stood for: every line that can be read anywhere, in
 * the order in which they were written.
 */
export async function readHistoryOfAll(folder: ObjectFolder, text: string): Promise<Told> {
  const found = new Map<string, Line>();
  for (const one of [...(await archivedTexts(folder)), text]) {
    for (const line of one.split("\n")) {
      const read = parseLine(line);
      // A snapshot has the number of the last line that it stands for.
      if (read) found.set(`${read.n} ${"snapshot" in read}`, read);
    }
  }
  return follow([...found.values()].sort((a, b) => a.n - b.n || Number("snapshot" in a) - Number("snapshot" in b)));
}

type Line = NonNullable<ReturnType<typeof parseLine>>;

function follow(lines: readonly (Line | null)[]): Told {
  let history = emptyHistory;
  let damaged = 0;
  let n = 0;
  for (const read of lines) {
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
  const journal = await readFile(folder.file, "utf8").catch(nullIfMissing);
  for (const text of [...(await archivedTexts(folder)), journal ?? ""]) {
    for (const line of text.split("\n")) {
      const entry = parseLine(line);
      if (entry && "action" in entry) found.set(entry.n, entry);
    }
  }
  return [...found.values()].sort((a, b) => a.n - b.n);
}

async function archivedTexts(folder: ObjectFolder): Promise<string[]> {
  const texts: string[] = [];
  for (const file of await folder.archives()) {
    const bytes = await readFile(file).catch(nullIfMissing);
    if (bytes !== null) texts.push(file.endsWith(".gz") ? await unpacked(bytes) : bytes.toString("utf8"));
  }
  return texts;
}

/** An archive that cannot be unpacked any more holds no lines: those of the others are told all the same. */
async function unpacked(bytes: Buffer): Promise<string> {
  return promisify(gunzip)(bytes).then((text) => text.toString("utf8"), () => "");
}

/** Number of the first line; 0 where it cannot be read. */
export function firstNumber(bytes: Buffer): number {
  return parseLine(bytes.toString("utf8", 0, bytes.indexOf(10)))?.n ?? 0;
}
