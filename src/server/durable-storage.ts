/**
 * Where uploads are written: in large pieces, and handed to the disk while the rest is still on its way, so that making a finished upload
 * durable takes no second pass. Memory is that of a few pieces, whatever the size of the file.
 */
import { type FileHandle, open, rm } from "node:fs/promises";
import type { Readable } from "node:stream";
import type { Request } from "express";
import type { StorageEngine } from "multer";
import { LimnetError } from "../errors.js";

const pieceBytes = 1 << 20;
const syncEvery = 32 << 20;

export class DurableStorage implements StorageEngine {
  readonly #place: (file: Express.Multer.File) => Promise<string>;
  readonly #most: number;
  #left: number;

  /** `place` answers the path of a new file; `most`: bytes of all files of the form together. */
  constructor(place: (file: Express.Multer.File) => Promise<string>, most: number) {
    this.#place = place;
    this.#left = most;
    this.#most = most;
  }

  _handleFile(_req: Request, file: Express.Multer.File, done: (error?: unknown, info?: Partial<Express.Multer.File>) => void): void {
    this.#place(file)
      .then(async (path) => done(null, { path, size: await write(this.#counted(file.stream), path) }))
      .catch((error: unknown) => {
        // A stream that nobody reads would keep the form from ending.
        file.stream.resume();
        done(error);
      });
  }

  /** A length is not always told beforehand. */
  async *#counted(stream: Readable): AsyncGenerator<Buffer> {
    // A part that is given up must not be destroyed: the form around it is still being read, and would fail in words of its own.
    for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      this.#left -= chunk.length;
      if (this.#left < 0) throw new LimnetError("too_large", `The files of the form have more than ${this.#most} bytes together (LIMNET_MAX_UPLOAD_BYTES).`);
      yield chunk;
    }
  }

  _removeFile(_req: Request, file: Express.Multer.File, done: (error: Error | null) => void): void {
    if (!file.path) return done(null);
    rm(file.path, { force: true }).then(() => done(null), done);
  }
}

/** Writes a stream to a new file; returns its size. */
async function write(stream: AsyncIterable<Buffer>, path: string): Promise<number> {
  const handle = await open(path, "wx", 0o600);
  try {
    const file = new PieceWriter(handle);
    for await (const chunk of stream) {
      const full = file.add(chunk);
      if (full) await full;
    }
    return await file.end();
  } finally {
    await handle.close();
  }
}

class PieceWriter {
  readonly #handle: FileHandle;
  #pieces: Buffer[] = [];
  #gathered = 0;
  #size = 0;
  #synced = 0;
  #syncing: Promise<void> | null = null;
  #failure: unknown = null;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** Undefined where there is nothing to wait for. */
  add(chunk: Buffer): Promise<void> | undefined {
    this.#pieces.push(chunk);
    this.#gathered += chunk.length;
    return this.#gathered >= pieceBytes ? this.#flush() : undefined;
  }

  async end(): Promise<number> {
    if (this.#gathered > 0) await this.#flush();
    await this.#syncing;
    if (this.#failure) throw this.#failure;
    return this.#size;
  }

  async #flush(): Promise<void> {
    const pieces = this.#pieces;
    const expected = this.#gathered;
    this.#pieces = [];
    this.#gathered = 0;
    const { bytesWritten } = await this.#handle.writev(pieces);
    // A short write is what a full disk or a signal makes of it: the rest is written in one piece.
    if (bytesWritten < expected) await this.#handle.writeFile(Buffer.concat(pieces).subarray(bytesWritten));
    this.#size += expected;
    if (this.#failure) throw this.#failure;
    if (this.#size - this.#synced >= syncEvery && this.#syncing === null) this.#sync();
  }

  #sync(): void {
    this.#synced = this.#size;
    this.#syncing = this.#handle.datasync()
      .catch((error: unknown) => {
        this.#failure = error;
      })
      .finally(() => {
        this.#syncing = null;
      });
  }
}
