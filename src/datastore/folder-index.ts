/** The index of a folder, kept in step with the files: looked at before each answer, written after each change. */
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import PQueue from "p-queue";
import { emptyIndex, type Index, indexName, readIndex, writeIndex } from "./index-file.js";
import { waitForLock } from "./lock.js";
import { type Log, silentLog } from "./log.js";
import { finalTag, originalTag } from "./names.js";
import { reconcile } from "./reconcile.js";
import { folderStamp, labelTags, scanFolder } from "./scan.js";
import { FolderWatch } from "./watch.js";

const readOnlyCodes = new Set(["EACCES", "EPERM", "EROFS"]);

export class FolderIndex {
  readonly folder: string;
  readonly #log: Log;
  readonly #watch: FolderWatch;
  /** One change at a time: the index on disk is always one that was meant. */
  readonly #turns = new PQueue({ concurrency: 1 });
  #index: Index = emptyIndex();
  /** State of the folders at the last scan; null: scan at the next question. */
  #stamp: string | null = null;
  /** State of the index file as we left it: another one means that another program wrote it. */
  #fileStamp = "";
  #readOnly = false;
  /** A folder is looked at often; what is odd in it is said once. */
  readonly #said = new Set<string>();
  readonly #once: Log;

  constructor(folder: string, log: Log) {
    this.folder = folder;
    this.#log = log;
    this.#once = { ...silentLog, warn: (message) => this.#warnOnce(message) };
    this.#watch = new FolderWatch(() => {
      this.#stamp = null;
      this.read(() => {}).catch((error: Error) => log.warn(`The studies folder cannot be looked at: ${error.message}`));
    }, log);
  }

  /** Creates what is missing and reads what is there. */
  async open(): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    for (const tag of [finalTag, originalTag]) {
      await mkdir(join(this.folder, "labels", tag), { recursive: true }).catch((error) => this.#tolerateReadOnly(error));
    }
    await this.read(() => {});
  }

  async close(): Promise<void> {
    this.#watch.close();
    await this.#turns.onIdle();
  }

  /** Looks something up in an index that is true now. */
  async read<T>(look: (index: Index) => T): Promise<T> {
    if ((await folderStamp(this.folder, indexName)).value !== this.#stamp) await this.#turns.add(() => this.#refresh());
    return look(this.#index);
  }

  /** Changes files and index together; the next question, by anyone, sees it. */
  async change<T>(act: (index: Index) => Promise<T> | T): Promise<T> {
    return this.#turns.add(async () => {
      await this.#refresh();
      // Also where `act` fails half-way: the next question looks at the files again.
      this.#stamp = null;
      const result = await act(this.#index);
      await this.#write();
      return result;
    });
  }

  async #refresh(): Promise<void> {
    const stamp = await folderStamp(this.folder, indexName);
    if (stamp.value === this.#stamp) return;
    if ((await this.#currentFileStamp()) !== this.#fileStamp) {
      await this.#lockedByNobody();
      this.#index = await readIndex(this.folder, this.#log);
      this.#fileStamp = await this.#currentFileStamp();
    }
    const changed = reconcile(this.#index, await scanFolder(this.folder, this.#once), this.#once);
    if (changed || this.#fileStamp === "") await this.#write();
    this.#stamp = stamp.settled ? stamp.value : null;
    this.#watch.follow(this.folder, await labelTags(this.folder));
  }

  async #write(): Promise<void> {
    if (this.#readOnly) return;
    await this.#lockedByNobody();
    try {
      await writeIndex(this.folder, this.#index);
      this.#fileStamp = await this.#currentFileStamp();
    } catch (error) {
      this.#tolerateReadOnly(error);
    }
  }

  async #lockedByNobody(): Promise<void> {
    if (await waitForLock(this.folder)) return;
    this.#log.warn("Another program holds the lock of the studies folder for long; going on without it.");
  }

  async #currentFileStamp(): Promise<string> {
    const found = await stat(join(this.folder, indexName), { bigint: true }).catch(() => null);
    return found ? `${found.ino}.${found.size}.${found.mtimeNs}` : "";
  }

  #warnOnce(message: string): void {
    if (!this.#said.has(message)) this.#log.warn(message);
    this.#said.add(message);
  }

  /** A folder that cannot be written still serves its images. */
  #tolerateReadOnly(error: unknown): void {
    if (!readOnlyCodes.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
    if (!this.#readOnly) this.#log.warn("The studies folder cannot be written: images are served, labels cannot be saved.");
    this.#readOnly = true;
  }
}
