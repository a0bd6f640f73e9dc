/** All journals of a state folder: one folder per image, user and label below `objects/`. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { nullIfMissing } from "../../durable.js";
import { Journal, type JournalOptions } from "./journal.js";
import type { ObjectIdentity } from "./object-folder.js";

const identitySchema = z.object({ image: z.string(), digest: z.string(), user: z.string(), label: z.string() });

function readIdentity(text: string): ObjectIdentity | null {
  try {
    return identitySchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

/**
 * Name of an object: 32 hex digits of a sha256, so that no name of a client becomes a path. The image counts by its
 * content, an accented label by what is read: two keyboards may spell it in different bytes.
 */
export function objectName({ digest, user, label }: Pick<ObjectIdentity, "digest" | "user" | "label">): string {
  return createHash("sha256").update(JSON.stringify([digest, user, label.normalize("NFC")])).digest("hex").slice(0, 32);
}

/** Journals whose content is kept in memory; others are read again. */
const readJournals = 200;

export class Journals {
  /** Folder of all objects. */
  readonly folder: string;
  readonly #options: JournalOptions;
  /** One per folder for good: two of them would not wait for each other. */
  readonly #journals = new Map<string, Journal>();
  /** Names of those whose content is kept in memory, the oldest use first. */
  readonly #read = new Set<string>();

  constructor(stateDir: string, options: JournalOptions = {}) {
    this.folder = path.join(stateDir, "objects");
    this.#options = options;
  }

  /** The journal of an object; nothing is made on the disk before something is written. */
  of(identity: ObjectIdentity): Journal {
    return this.#journal(objectName(identity), identity);
  }

  #journal(name: string, identity: ObjectIdentity): Journal {
    const journal = this.#journals.get(name) ?? new Journal(path.join(this.folder, name), identity, this.#options);
    this.#journals.set(name, journal);
    this.#read.delete(name);
    this.#read.add(name);
    for (const oldest of this.#read) {
      if (this.#read.size <= readJournals) break;
      this.#read.delete(oldest);
      this.#journals.get(oldest)?.forget();
    }
    return journal;
  }

  /** Forgets what is known of an object whose folder was deleted. */
  forget(name: string): void {
    this.#journals.get(name)?.forget();
    this.#read.delete(name);
  }

  /** Names of the objects on the disk. */
  async names(): Promise<string[]> {
    const found = (await readdir(this.folder, { withFileTypes: true }).catch(nullIfMissing)) ?? [];
    return found.filter((entry) => entry.isDirectory() && /^[0-9a-f]{32}$/.test(entry.name)).map((entry) => entry.name);
  }

  /** The journal of a name of `names`; null where nobody can say whose it is. */
  async named(name: string): Promise<Journal | null> {
    const text = await readFile(path.join(this.folder, name, "object.json"), "utf8").catch(nullIfMissing);
    const identity = text === null ? null : readIdentity(text);
    return identity && this.#journal(name, identity);
  }

  /** All work on an image, of all users. */
  async onImage(digest: string): Promise<Journal[]> {
    const all = await Promise.all((await this.names()).map((name) => this.named(name)));
    return all.filter((journal) => journal !== null && journal.identity.digest === digest) as Journal[];
  }
}
