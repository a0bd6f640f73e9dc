/**
 * The journal of one object on disk: a folder with `journal.jsonl` (append-only, one line per executed request, synced
 * before the answer leaves) and one compressed result per kept round. Nothing here is needed to compute an answer: what is
 * missing or damaged is computed again.
 */
import { createHash } from "node:crypto";
import { mkdir, open, readdir, readFile, rm, truncate } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { fileDigest } from "../../imaging/digest.js";
import { type Entry, emptyHistory, extendHistory, type History, type RoundRecord } from "./rounds/history.js";

const fileName = "journal.jsonl";
const index = z.number().int().nonnegative();
const key = z.string().regex(/^[0-9a-f]{32}$/);

const recordSchema = z.object({
  key,
  slice: index,
  slices: z.array(z.object({ index, winner: z.enum(["current", "previous", "user", "same"]), probability: z.number() })),
  seconds: z.number(),
  propagated: index,
  digest: z.string(),
});

const entrySchema = z.object({
  version: z.literal(1),
  time: z.string(),
  clicks: z.array(z.object({ voxel: z.tuple([index, index, index]), positive: z.boolean() })),
  model: z.string().nullable(),
  ran: z.array(recordSchema),
});

/** What makes two requests speak of the same work: all of it must be equal. */
export interface ObjectIdentity {
  /** Content digest of the image. */
  readonly image: string;
  readonly user: string;
  readonly label: string;
  readonly model: string;
  readonly axis: number;
  /** Settings that change the result. */
  readonly settings: unknown;
}

/** Folder of an object: 32 hex digits of a sha256, so that no name of a client becomes a path. */
export function objectFolder(stateDir: string, { image, user, label, model, axis, settings }: ObjectIdentity): string {
  const text = JSON.stringify([image, user, label, model, axis, settings]);
  return path.join(stateDir, createHash("sha256").update(text).digest("hex").slice(0, 32));
}

/** Not safe for two writers at once: the app runs requests of one object one after the other. */
export class Journal {
  constructor(readonly folder: string) {}

  /** Where the fused probabilities of a state are kept. */
  statePath(name: string): string {
    return path.join(this.folder, `${name}.gz`);
  }

  /** Reads the journal. A last line cut short by a crash is removed; a line that cannot be read is passed over. */
  async load(): Promise<History> {
    const file = path.join(this.folder, fileName);
    const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return Buffer.alloc(0);
      throw error;
    });
    const end = bytes.lastIndexOf(10) + 1;
    if (end < bytes.length) await truncate(file, end);
    let history = emptyHistory;
    for (const line of bytes.toString("utf8", 0, end).split("\n")) {
      const entry = parseEntry(line);
      if (entry) history = extendHistory(history, entry);
    }
    return history;
  }

  /** Makes the folder, so that the engine can write results into it. */
  async prepare(): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
  }

  /** Adds a line. When this returns, the line and the results that it names are on the disk. */
  async append(entry: Entry): Promise<void> {
    await this.prepare();
    for (const record of entry.ran) await sync(this.statePath(record.key));
    const handle = await open(path.join(this.folder, fileName), "a", 0o600);
    try {
      await handle.appendFile(`${JSON.stringify(entry)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await sync(this.folder, "r").catch(() => undefined); // Folders cannot be synced everywhere.
  }

  /** Whether the result of a round is there and is what was written. */
  async holds(record: RoundRecord): Promise<boolean> {
    const digest = await fileDigest(this.statePath(record.key)).catch(() => null);
    return digest === record.digest;
  }

  /** Deletes every result but those of `keep`. */
  async prune(keep: ReadonlySet<string>): Promise<void> {
    for (const name of await readdir(this.folder).catch(() => [])) {
      if (name === fileName || keep.has(name.replace(/\.gz$/, ""))) continue;
      await rm(path.join(this.folder, name), { force: true });
    }
  }
}

function parseEntry(line: string): Entry | null {
  if (line === "") return null;
  try {
    return entrySchema.parse(JSON.parse(line));
  } catch {
    return null;
  }
}

async function sync(target: string, flags = "r+"): Promise<void> {
  const handle = await open(target, flags);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
