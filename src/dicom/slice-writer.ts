/** Slices of one size into a file, one after the other from either end, through a few pieces of shared memory that are used in turn. */
import { type FileHandle, open } from "node:fs/promises";
import { LimnetError } from "../errors.js";
import { niftiDataOffset } from "../imaging/nifti.js";
import type { DigestThread, Shift, Sum } from "./digest-thread.js";
import { shiftSamples } from "./shift.js";
import { writeAll } from "./write-volume.js";

/** Bytes that are summed and written at once: what each costs beside its bytes is then little, and they stay in the processor's cache. */
const pieceBytes = 1 << 21;
const ring = 3;

interface Piece {
  readonly words: Int16Array<SharedArrayBuffer>;
  /** Settles when the piece may be filled again. */
  used: Promise<unknown>;
}

/** Which way the slices come, and the sum of the file where they come in its order. */
export interface Way {
  readonly up: boolean;
  readonly sum: Sum | null;
}

export interface SliceWriterOptions {
  readonly path: Promise<string>;
  /** Words of a slice. */
  readonly area: number;
  /** Slices of the volume. */
  readonly total: number;
  readonly shift: Shift | null;
  readonly digests: DigestThread;
}

export class SliceWriter {
  readonly file: Promise<FileHandle>;
  /** False once a sample did not fit. */
  fit = true;
  readonly #area: number;
  readonly #total: number;
  readonly #shift: Shift | null;
  readonly #digests: DigestThread;
  readonly #perPiece: number;
  readonly #pieces: readonly Piece[];
  #way: Way | null = null;
  #count = 0;
  /** Slices that are in the file, or on their way there. */
  #sent = 0;

  constructor({ path, area, total, shift, digests }: SliceWriterOptions) {
    [this.#area, this.#total, this.#shift, this.#digests] = [area, total, shift, digests];
    this.#perPiece = Math.max(2, Math.min(total, Math.floor(pieceBytes / (2 * area))));
    this.#pieces = Array.from({ length: ring }, () => ({ words: new Int16Array(new SharedArrayBuffer(2 * area * this.#perPiece)), used: Promise.resolve() }));
    this.file = path.then((name) => open(name, "w+"));
    this.file.catch(() => {});
  }

  /** Room for the next slice, which counts once `done` is called. @throws what the file system throws; as `path` does */
  async next(): Promise<Int16Array> {
    if (this.#count % this.#perPiece === 0) await this.#piece(this.#count).used;
    return this.#words(this.#count);
  }

  /** The slice that `next` gave room for is there. */
  done(): void {
    this.#count++;
    if (this.#count - this.#sent === this.#perPiece) this.#send();
  }

  /** Called with two slices there. */
  go(way: Way): void {
    this.#way = way;
    if (way.up) return;
    const { words } = this.#pieces[0];
    const [first, second] = [words.slice(0, this.#area), words.slice(this.#area, 2 * this.#area)];
    this.#words(0).set(first);
    this.#words(1).set(second);
  }

  /** A copy of slice n as it was put there. */
  async read(n: number): Promise<Int16Array> {
    if (n >= this.#sent) return Int16Array.from(this.#words(n));
    await this.#piece(n).used;
    const words = new Int16Array(this.#area);
    await readAll(await this.file, new Uint8Array(words.buffer), niftiDataOffset + 2 * this.#area * (this.#way!.up ? n : this.#total - 1 - n));
    if (this.#shift) shiftSamples(words, words, -this.#shift.offset, 16);
    return words;
  }

  /** All slices are in the file when it returns. @throws what the file system throws */
  async flush(): Promise<void> {
    if (this.#sent < this.#count) this.#send();
    await this.settled();
    for (const { used } of this.#pieces) await used;
  }

  async settled(): Promise<void> {
    await Promise.allSettled(this.#pieces.map(({ used }) => used));
  }

  async close(): Promise<void> {
    await this.settled();
    await this.file.then((file) => file.close(), () => {});
  }

  #piece(n: number): Piece {
    return this.#pieces[Math.floor(n / this.#perPiece) % ring];
  }

  /** In a piece they lie as in the file. */
  #words(n: number): Int16Array {
    const at = n % this.#perPiece;
    const place = this.#way?.up === false ? this.#perPiece - 1 - at : at;
    return this.#piece(n).words.subarray(place * this.#area, (place + 1) * this.#area);
  }

  #send(): void {
    const { up, sum } = this.#way!;
    const piece = this.#piece(this.#sent);
    const [first, last] = up ? [this.#sent, this.#count - 1] : [this.#count - 1, this.#sent];
    const begin = this.#words(first).byteOffset;
    const bytes = new Uint8Array(piece.words.buffer, begin, this.#words(last).byteOffset + 2 * this.#area - begin);
    const place = niftiDataOffset + 2 * this.#area * (up ? first : this.#total - 1 - first);
    piece.used = this.#write(bytes, place, sum);
    piece.used.catch(() => {});
    this.#sent = this.#count;
  }

  async #write(bytes: Uint8Array<SharedArrayBuffer>, place: number, sum: Sum | null): Promise<void> {
    const summed = sum ? sum.add(bytes, this.#shift) : this.#shift ? this.#digests.shift(bytes, this.#shift) : Promise.resolve(true);
    summed.catch(() => {});
    if (this.#shift) await summed;
    await writeAll(await this.file, bytes, place);
    this.fit &&= await summed;
  }
}

async function readAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, at, bytes.length - at, position + at);
    if (bytesRead === 0) throw new LimnetError("cache_full", "A volume on its way into the cache was cut off there. Try again.");
    at += bytesRead;
  }
}
