/**
 * Splits multipart/related (RFC 2387) as it arrives: a part is handed on when its last byte is there, long before the answer ends.
 * Everything that can be large is bounded, and an answer without its closing delimiter is an error, never a short series.
 */
import { badAnswer } from "./errors.js";

export interface Part {
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

export interface PartLimits {
  readonly maxPartBytes: number;
  readonly maxParts: number;
  readonly maxTotalBytes: number;
  /** Bodies may share their memory: each is good until the next part is asked for. */
  readonly lent?: boolean;
}

const maxHeaderBytes = 16 * 1024;
const maxPreambleBytes = 64 * 1024;
/** A part that says it is larger is searched for its end instead: no memory is taken on somebody's word. */
const maxTrustedLength = 256 * 2 ** 20;
const lineEnd = Buffer.from("\r\n");
const blankLine = Buffer.from("\r\n\r\n");

/** The boundary of a Content-Type, quoted or not; null where the type is no multipart. */
export function boundaryOf(contentType: string | undefined): string | null {
  if (!contentType || !/^\s*multipart\//i.test(contentType)) return null;
  const found = /;\s*boundary\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;]+))/i.exec(contentType);
  const boundary = found?.[1]?.replace(/\\(.)/g, "$1") ?? found?.[2];
  return boundary && boundary.length <= 200 ? boundary : null;
}

/**
 * The parts of a body, in order; a piece of it is copied before the next is asked for. A `Content-Length` of a part is used where it is right, as that saves the search.
 * @throws LimnetError archive_answer where the body ends early, is no multipart or is beyond the limits
 */
export async function* splitRelated(body: AsyncIterable<Buffer>, boundary: string, limits: PartLimits): AsyncGenerator<Part> {
  const delimiter = Buffer.from(`\r\n--${boundary}`, "latin1");
  const input = new Window(body[Symbol.asyncIterator](), limits);
  try {
    // The first delimiter may stand at the very start: as if a line had ended before it.
    input.push(lineEnd);
    await input.until(delimiter, maxPreambleBytes, "sent no parts where a multipart answer was announced");
    for (let count = 0; ; count++) {
      if (await endsHere(input)) return;
      if (count >= limits.maxParts) throw badAnswer(`sent more than ${limits.maxParts} parts`);
      const headers = parseHeaders(await headerBytes(input));
      const length = Number(headers.get("content-length") ?? NaN);
      const exact = Number.isInteger(length) && length >= 0 && length <= Math.min(limits.maxPartBytes, maxTrustedLength) ? await input.exactly(length, delimiter) : null;
      yield { headers, body: exact ?? await input.until(delimiter, limits.maxPartBytes, "sent a part that is larger than this server accepts") };
    }
  } finally {
    await input.close();
  }
}

/** After a delimiter: "--" closes, a line end (with spaces before it) goes on. */
async function endsHere(input: Window): Promise<boolean> {
  if ((await input.peek(2)).equals(Buffer.from("--"))) return true;
  const padding = await input.until(lineEnd, 200, "sent a multipart answer that cannot be read");
  if (!/^[ \t]*$/.test(padding.toString("latin1"))) throw badAnswer("sent a multipart answer that cannot be read");
  return false;
}

async function headerBytes(input: Window): Promise<Buffer> {
  // A part without any header begins with its blank line.
  if ((await input.peek(2)).equals(lineEnd)) return input.until(lineEnd, 0, "sent a multipart answer that cannot be read");
  return input.until(blankLine, maxHeaderBytes, "sent a part with headers that are too long");
}

function parseHeaders(bytes: Buffer): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of bytes.toString("latin1").replace(/\r\n[ \t]+/g, " ").split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  return headers;
}

/** The bytes that came and were not used yet, in one buffer that grows when it must. */
class Window {
  readonly #source: AsyncIterator<Buffer>;
  readonly #maxTotal: number;
  /** Of the last part, used again where bodies are lent: memory that was not touched before costs more than what is put there. */
  #body = Buffer.alloc(0);
  readonly #lent: boolean;
  #buffer = Buffer.allocUnsafe(1 << 18);
  #start = 0;
  #end = 0;
  #total = 0;

  constructor(source: AsyncIterator<Buffer>, { maxTotalBytes, lent = false }: PartLimits) {
    this.#source = source;
    this.#maxTotal = maxTotalBytes;
    this.#lent = lent;
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }

  push(piece: Buffer): void {
    const used = this.#end - this.#start;
    if (this.#end + piece.length > this.#buffer.length) {
      const target = used + piece.length <= this.#buffer.length ? this.#buffer : Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, used + piece.length));
      this.#buffer.copy(target, 0, this.#start, this.#end);
      this.#buffer = target;
      this.#start = 0;
      this.#end = used;
    }
    this.#end += piece.copy(this.#buffer, this.#end);
  }

  async peek(bytes: number): Promise<Buffer> {
    while (this.#end - this.#start < bytes) this.push(await this.#more());
    return this.#buffer.subarray(this.#start, this.#start + bytes);
  }

  /** A copy of what stands before `mark`; goes on after it. */
  async until(mark: Buffer, most: number, problem: string): Promise<Buffer> {
    let searched = 0;
    for (;;) {
      const at = this.#buffer.subarray(this.#start, this.#end).indexOf(mark, searched);
      if (at >= 0) {
        if (at > most) throw badAnswer(problem);
        const found = Buffer.from(this.#buffer.subarray(this.#start, this.#start + at));
        this.#start += at + mark.length;
        return found;
      }
      searched = Math.max(0, this.#end - this.#start - mark.length + 1);
      if (searched > most) throw badAnswer(problem);
      this.push(await this.#more());
    }
  }

  /** `length` bytes straight into a buffer of their own; null (and nothing used) where no delimiter follows them. */
  async exactly(length: number, delimiter: Buffer): Promise<Buffer | null> {
    const here = this.#end - this.#start;
    const body = this.#room(length);
    let filled = Math.min(here, length);
    this.#buffer.copy(body, 0, this.#start, this.#start + filled);
    const rest = Buffer.from(this.#buffer.subarray(this.#start + filled, this.#end));
    this.#start = this.#end = 0;
    this.push(rest);
    while (filled < length) {
      const piece = await this.#next();
      if (piece === null) break;
      const taken = piece.copy(body, filled);
      filled += taken;
      if (taken < piece.length) this.push(piece.subarray(taken));
    }
    if (filled === length && (await this.peek(delimiter.length)).equals(delimiter)) {
      this.#start += delimiter.length;
      return body;
    }
    // The length was wrong: search instead.
    const after = Buffer.from(this.#buffer.subarray(this.#start, this.#end));
    this.#start = this.#end = 0;
    this.push(body.subarray(0, filled));
    this.push(after);
    return null;
  }

  #room(length: number): Buffer {
    if (!this.#lent) return Buffer.allocUnsafe(length);
    if (this.#body.length < length) this.#body = Buffer.allocUnsafe(length);
    return this.#body.subarray(0, length);
  }

  async #more(): Promise<Buffer> {
    const piece = await this.#next();
    if (piece === null) throw badAnswer("cut its answer off: the closing delimiter is missing. Try again");
    return piece;
  }

  async #next(): Promise<Buffer | null> {
    const { done, value } = await this.#source.next();
    if (done) return null;
    this.#total += value.length;
    if (this.#total > this.#maxTotal) throw badAnswer(`sent more than ${this.#maxTotal} bytes for one series`);
    return value;
  }
}
