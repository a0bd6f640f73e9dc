/** Bits and Huffman codes of a JPEG scan (ITU-T T.81, F.2.2). */

/** A scan may be read this many bits past its end before it counts as cut off: encoders leave padding away. */
const forgivenBits = 32;

export class BitReader {
  readonly #bytes: Uint8Array;
  #at: number;
  #bits = 0;
  #count = 0;
  #missing = 0;

  constructor(bytes: Uint8Array, start: number) {
    this.#bytes = bytes;
    this.#at = start;
  }

  /** The next 16 bits, without going on; zeros after the end. */
  peek16(): number {
    while (this.#count < 16) this.#more();
    return (this.#bits >>> (this.#count - 16)) & 0xffff;
  }

  skip(count: number): void {
    this.#count -= count;
  }

  /** The next `count` bits (1 to 16) as a number. @throws RangeError after the end of the scan */
  take(count: number): number {
    while (this.#count < count) this.#more();
    this.#count -= count;
    return (this.#bits >>> this.#count) & ((1 << count) - 1);
  }

  /** Goes to behind the next restart marker. @throws RangeError where there is none */
  restart(): void {
    const marker = this.markerAt();
    const code = this.#bytes[marker + 1];
    if (!(code >= 0xd0 && code <= 0xd7)) throw new RangeError("no restart marker");
    this.#at = marker + 2;
    this.#bits = this.#count = this.#missing = 0;
  }

  /** Where the next marker begins; the length of the stream where there is none. */
  markerAt(): number {
    let at = this.#at;
    while (at + 1 < this.#bytes.length && !(this.#bytes[at] === 0xff && this.#bytes[at + 1] !== 0 && this.#bytes[at + 1] !== 0xff)) at++;
    return at + 1 < this.#bytes.length ? at : this.#bytes.length;
  }

  #more(): void {
    let byte = 0;
    const at = this.#at;
    if (at >= this.#bytes.length || (this.#bytes[at] === 0xff && this.#bytes[at + 1] !== 0)) {
      this.#missing += 8;
      if (this.#missing > forgivenBits) throw new RangeError("scan ends before its image");
    } else {
      byte = this.#bytes[at];
      // A zero is stuffed behind every FF.
      this.#at += byte === 0xff ? 2 : 1;
    }
    this.#bits = (this.#bits << 8) | byte;
    this.#count += 8;
  }
}

/** Every 16-bit beginning of a code word, looked up at once: length in the high byte, value in the low one. */
export class HuffmanTable {
  readonly #lookup = new Uint16Array(65536);

  /** @param counts how many codes there are of 1 to 16 bits; @param values their values in order */
  constructor(counts: Uint8Array, values: Uint8Array) {
    let code = 0;
    let value = 0;
    for (let length = 1; length <= 16; length++) {
      for (let left = counts[length - 1]; left > 0; left--) {
        const first = code << (16 - length);
        const next = first + (1 << (16 - length));
        if (next > 65536) throw new RangeError("Huffman table");
        this.#lookup.fill((length << 8) | values[value++], first, next);
        code++;
      }
      code <<= 1;
    }
  }

  /** @throws RangeError where the bits are no code */
  read(reader: BitReader): number {
    const entry = this.#lookup[reader.peek16()];
    if (entry === 0) throw new RangeError("no such code");
    reader.skip(entry >> 8);
    return entry & 0xff;
  }
}
