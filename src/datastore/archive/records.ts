/** What this server knows about images of the archive: infos, and which labels lie here. One small file per image. */
import { mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import PQueue from "p-queue";
import { isUid } from "../../dicomweb/json.js";
import type { Info } from "../datastore.js";
import { readJson, writeJson } from "./small-files.js";

export interface LocalLabel {
  readonly ext: string;
  readonly info: Info;
}

export interface ImageRecord {
  readonly info: Info;
  /** By tag. */
  readonly labels: Readonly<Record<string, LocalLabel>>;
  /** Label series of the archive that were removed here; they stay in the archive, which has no portable way to delete. */
  readonly hidden: readonly string[];
}

const empty: ImageRecord = { info: {}, labels: {}, hidden: [] };

export class Records {
  readonly #folder: string;
  readonly #known = new Map<string, ImageRecord>();
  readonly #turns = new PQueue({ concurrency: 1 });
  #stamp = "";
  #seenAt = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async open(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await this.refresh();
  }

  async close(): Promise<void> {
    await this.#turns.onIdle();
  }

  /** Reads what another server on the same state wrote. Cheap where nothing changed. */
  async refresh(): Promise<void> {
    if ((await this.#folderStamp()) === this.#stamp) return;
    await this.#turns.add(async () => {
      const stamp = await this.#folderStamp();
      const since = this.#seenAt - 2000;
      const now = Date.now();
      for (const name of await readdir(this.#folder)) {
        const uid = name.replace(/\.json$/, "");
        if (!name.endsWith(".json") || !isUid(uid)) continue;
        const path = join(this.#folder, name);
        if (((await stat(path).catch(() => null))?.mtimeMs ?? 0) >= since) await this.#read(uid);
      }
      this.#seenAt = now;
      this.#stamp = stamp;
    });
  }

  get(uid: string): ImageRecord {
    return this.#known.get(uid) ?? empty;
  }

  all(): ReadonlyMap<string, ImageRecord> {
    return this.#known;
  }

  /** On disk when it returns. */
  async change(uid: string, change: (record: ImageRecord) => ImageRecord): Promise<void> {
    await this.#turns.add(async () => {
      await this.#read(uid);
      const next = change(this.get(uid));
      await writeJson(join(this.#folder, `${uid}.json`), next);
      this.#known.set(uid, next);
      this.#stamp = await this.#folderStamp();
    });
  }

  /** Seen at once, on disk soon. */
  note(uid: string, change: (record: ImageRecord) => ImageRecord): void {
    this.#known.set(uid, change(this.get(uid)));
    this.change(uid, change).catch(() => {});
  }

  async #read(uid: string): Promise<void> {
    const found = await readJson<Partial<ImageRecord>>(join(this.#folder, `${uid}.json`));
    if (found) this.#known.set(uid, { ...empty, ...found });
  }

  async #folderStamp(): Promise<string> {
    const { mtimeNs } = await stat(this.#folder, { bigint: true });
    return String(mtimeNs);
  }
}
