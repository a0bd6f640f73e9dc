/** Notices changes of the folder between requests. Where the system cannot watch, the check before each answer still works. */
import { type FSWatcher, watch } from "node:fs";
import { join } from "node:path";
import type { Log } from "./log.js";

/** Watches folders that come and go; calls `changed` once after a burst of events. */
export class FolderWatch {
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #log: Log;
  readonly #changed: () => void;
  readonly #quietMs: number;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;
  #warned = false;

  constructor(changed: () => void, log: Log, quietMs = 300) {
    this.#changed = changed;
    this.#log = log;
    this.#quietMs = quietMs;
  }

  /** Watches the folder, labels/ and the folder of each tag, and lets go of others. */
  follow(folder: string, tags: readonly string[]): void {
    if (this.#closed) return;
    const wanted = new Set([folder, join(folder, "labels"), ...tags.map((tag) => join(folder, "labels", tag))]);
    for (const [path, watcher] of this.#watchers) {
      if (wanted.has(path)) continue;
      watcher.close();
      this.#watchers.delete(path);
    }
    for (const path of wanted) if (!this.#watchers.has(path)) this.#add(path);
  }

  close(): void {
    this.#closed = true;
    if (this.#timer) clearTimeout(this.#timer);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #add(path: string): void {
    try {
      const watcher = watch(path, { persistent: false }, (_event, name) => {
        // Our own temporary and state files are hidden; they are not news.
        if (!name?.startsWith(".")) this.#ring();
      });
      watcher.on("error", () => {
        watcher.close();
        this.#watchers.delete(path);
        this.#ring();
      });
      this.#watchers.set(path, watcher);
    } catch {
      if (!this.#warned) this.#log.warn("The system cannot watch the studies folder; it is looked at before each answer instead.");
      this.#warned = true;
    }
  }

  #ring(): void {
    if (this.#closed) return;
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#changed, this.#quietMs);
    this.#timer.unref();
  }
}
