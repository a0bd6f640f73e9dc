/**
 * gzip for voxels in a third of zlib's time: what repeats word for word (background, the inside of a mask) becomes matches, all else is
 * stored as it is. Any reader of gzip reads it (RFC 1951, 1952).
 */
import { crc32 } from "node:zlib";

/** No name, no time, unknown system. */
const head = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255);
/** Words (of four bytes) that are equal to the one before them; fewer are not worth the two blocks. */
const leastRun = 8;
const mostStored = 65535;
const longestMatch = 258;
/** Distance 4: code 3 of five bits, no extra bits; Huffman codes go highest bit first. */
const distance4 = 0b11000;
/** Not the last block, fixed Huffman codes. */
const fixedBlock = 0b010;
/** Bytes of both ends of the file and of the frames of two blocks, amply. */
const frame = 64;

/** Packs into memory of its own, which is kept: the first touch of fresh memory can cost as much as all the rest. */
export class RunPacker {
  readonly #matches = Array.from({ length: longestMatch + 1 }, (_, length) => matchCode(Math.max(3, length)));
  readonly #most: number;
  #out = Buffer.alloc(0);
  #at = 0;
  /** Bits that fill no byte yet. */
  #bits = 0;
  #count = 0;

  /** `most`: bytes of the largest file. */
  constructor(most: number) {
    this.#most = most;
  }

  /** The gzip file of `data`; null where it is larger than `most`. It lies in the packer's memory: it changes with the next call. */
  pack(data: Uint8Array): Buffer | null {
    this.#start(data.length);
    const bytes = data.byteOffset % 4 === 0 ? Buffer.from(data.buffer, data.byteOffset, data.length) : aligned(data);
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
    const { length } = words;
    let done = 0;
    for (let at = 1; at < length; at++) {
      const word = words[at - 1];
      if (words[at] !== word) continue;
      const from = at++;
      while (at < length && words[at] === word) at++;
      if (at - from < leastRun) continue;
      if (!this.#store(bytes, done, 4 * from) || !this.#repeat(4 * (at - from))) return null;
      done = 4 * at;
    }
    if (!this.#store(bytes, done, bytes.length)) return null;
    // An empty one is the last.
    this.#storeBlock(bytes, 0, 0, true);
    this.#at = this.#out.writeUInt32LE(crc32(bytes), this.#at);
    this.#at = this.#out.writeUInt32LE(bytes.length % 2 ** 32, this.#at);
    return this.#at > this.#most ? null : this.#out.subarray(0, this.#at);
  }

  #start(length: number): void {
    const room = Math.min(this.#most, length + 5 * Math.ceil(length / mostStored)) + 2 * frame;
    if (this.#out.length < room) this.#out = Buffer.from(new ArrayBuffer(room));
    this.#out.set(head);
    this.#at = head.length;
    this.#bits = this.#count = 0;
  }

  /** Whether so many bytes go in, and the end of the file after them. */
  #fits(length: number): boolean {
    return this.#at + length <= this.#out.length - frame;
  }

  /** False where there is no room. */
  #store(bytes: Buffer, from: number, to: number): boolean {
    if (!this.#fits(to - from + 5 * Math.ceil((to - from) / mostStored))) return false;
    for (let at = from; at < to; at += mostStored) this.#storeBlock(bytes, at, Math.min(to, at + mostStored), false);
    return true;
  }

  #storeBlock(bytes: Buffer, from: number, to: number, last: boolean): void {
    this.#put(Number(last), 3);
    if (this.#count > 0) this.#put(0, 8 - this.#count);
    this.#at = this.#out.writeUInt16LE(to - from, this.#at);
    this.#at = this.#out.writeUInt16LE(~(to - from) & 0xffff, this.#at);
    if (to > from) this.#at += bytes.copy(this.#out, this.#at, from, to);
  }

  /** A block of so many bytes that are those four before them, again and again; 13 bits for each match but the last two. False as above. */
  #repeat(length: number): boolean {
    if (!this.#fits(2 * Math.ceil(length / longestMatch))) return false;
    this.#put(fixedBlock, 3);
    for (let left = length; left > 0; ) {
      // What remains is a match of its own: never shorter than three.
      const part = left <= longestMatch ? left : Math.min(longestMatch, left - 4);
      const { code, bits } = this.#matches[part];
      this.#put(code, bits);
      left -= part;
    }
    // End of block.
    this.#put(0, 7);
    return true;
  }

  /** At most 18 bits, the lowest first. */
  #put(value: number, bits: number): void {
    this.#bits |= value << this.#count;
    this.#count += bits;
    for (; this.#count >= 8; this.#count -= 8) {
      this.#out[this.#at++] = this.#bits & 0xff;
      this.#bits >>>= 8;
    }
  }
}

/** The fixed code of a length (3 to 258) with its extra bits, and that of distance 4 (RFC 1951, 3.2.5 and 3.2.6). */
function matchCode(length: number): { readonly code: number; readonly bits: number } {
  const over = length - 3;
  const longest = length === longestMatch;
  const extra = longest ? 0 : Math.max(0, 29 - Math.clz32(over));
  // From 257 on, which is 0 here.
  const symbol = longest ? 28 : 4 * extra + (over >>> extra);
  const own = symbol < 23 ? { code: symbol + 1, bits: 7 } : { code: 0xc0 + symbol - 23, bits: 8 };
  const code = reversed(own.code, own.bits) | ((over & ((1 << extra) - 1)) << own.bits);
  return { code: code | (distance4 << (own.bits + extra)), bits: own.bits + extra + 5 };
}

function reversed(code: number, bits: number): number {
  let out = 0;
  for (let n = 0; n < bits; n++) out |= ((code >>> n) & 1) << (bits - 1 - n);
  return out;
}

function aligned(data: Uint8Array): Buffer {
  const copy = Buffer.from(new ArrayBuffer(data.length));
  copy.set(data);
  return copy;
}
