/**
 * Where uploads are written: in large pieces, and handed to the disk while the rest is still on its way, so that making a finished upload
 * durable takes no second pass. Memory is that of a few pieces, whatever the size of the file.
 */
import { type FileHandle, open, rm } from "node:fs/promises";
import { type Readable, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import type { Request } from "express";
import type { StorageEngine } from "multer";
import { LimnetError } from "../errors.js";
import { YoungMemory } from "./young-memory.js";

const pieceBytes = 1 << 20;
/** What may wait where both pieces are full. */
const aheadBytes = 1 << 20;
const syncEvery = 16 << 20;

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
      .then(async (path) => done(null, { path, size: await write(file.stream, path, (bytes) => this.#count(bytes)) }))
      .catch((error: unknown) => {
        // A stream that nobody reads would keep the form from ending.
        file.stream.resume();
        done(error);
      });
  }

  /** A length is not always told beforehand. */
  #count(bytes: number): void {
    this.#left -= bytes;
    if (this.#left < 0) throw new LimnetError("too_large", `The files of the form have more than ${this.#most} bytes together (LIMNET_MAX_UPLOAD_BYTES).`);
  }

  _removeFile(_req: Request, file: Express.Multer.File, done: (error: Error | null) => void): void {
    if (!file.path) return done(null);
    rm(file.path, { force: true }).then(() => done(null), done);
  }
}

/**
 * Writes a stream to a new file; returns its size. `count` is told of all that comes, and throws where it is too much. The stream is never
 * destroyed: the form around it is still being read, and would fail in words of its own.
 */
async function write(stream: Readable, path: string, count: (bytes: number) => void): Promise<number> {
  const handle = await open(path, "wx", 0o600);
  try {
    const file = new PieceWriter(handle, count);
    // Not by an iterator: it would join what has come in meanwhile, and copy all of it.
    stream.pipe(file);
    await Promise.all([finished(stream), finished(file)]).finally(() => stream.unpipe(file));
    return file.size;
  } finally {
    await handle.close();
  }
}

/**
 * Two pieces take turns: one is filled while the other goes to the file. What comes is copied and let go of at once, so that its memory is
 * used again: touching fresh memory for all of a file would take longer than the copy.
 */
class PieceWriter extends Writable {
  readonly #handle: FileHandle;
  readonly #count: (bytes: number) => void;
  #piece = Buffer.allocUnsafeSlow(pieceBytes);
  #other = Buffer.allocUnsafeSlow(pieceBytes);
  #filled = 0;
  #size = 0;
  #synced = 0;
  /** The other piece on its way. */
  #storing: Promise<void> = Promise.resolve();
  #syncing: Promise<void> = Promise.resolve();
  #atSync = false;
  readonly #memory = new YoungMemory();

  constructor(handle: FileHandle, count: (bytes: number) => void) {
    super({ highWaterMark: aheadBytes });
    this.#handle = handle;
    this.#count = count;
  }

  get size(): number {
    return this.#size;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    try {
      this.#count(chunk.length);
    } catch (error) {
      return done(error as Error);
    }
    this.#add(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#swap().then(() => this.#storing).then(() => this.#syncing).then(() => done(), done);
  }

  #add(chunk: Buffer, done: (error?: Error | null) => void): void {
    const taken = chunk.copy(this.#piece, this.#filled);
    this.#memory.passed(taken);
    this.#filled += taken;
    if (this.#filled < pieceBytes) return done();
    this.#swap().then(() => this.#add(chunk.subarray(taken), done), done);
  }

  async #swap(): Promise<void> {
    await this.#storing;
    const [piece, filled] = [this.#piece, this.#filled];
    [this.#piece, this.#other, this.#filled] = [this.#other, piece, 0];
    this.#storing = this.#store(piece, filled);
    this.#storing.catch(() => undefined);
  }

  async #store(piece: Buffer, length: number): Promise<void> {
    // A short write is what a full disk or a signal makes of it.
    for (let at = 0; at < length; ) at += (await this.#handle.write(piece, at, length - at)).bytesWritten;
    this.#size += length;
    if (this.#size - this.#synced < syncEvery || this.#atSync) return;
    this.#synced = this.#size;
    this.#atSync = true;
    this.#syncing = this.#syncing.then(() => this.#handle.datasync()).finally(() => {
      this.#atSync = false;
    });
    this.#syncing.catch(() => undefined);
  }
}
