/**
 * The body of a large answer, read into two buffers in turn. Node's HTTP client makes new memory for each 64 KB and copies them once
 * more; for a series of 100 MB that costs as much as everything else together. Node still sends the request and reads the head of the
 * answer, and reads the body too where that needs more than counting its bytes.
 */
import type { ClientRequest, IncomingMessage } from "node:http";
import { connect as connectPlain, isIP, type Socket, type TcpNetConnectOpts } from "node:net";
import { connect as connectSecure } from "node:tls";

/** As much as is read at once; small enough to be copied out of the processor's cache. */
const readBytes = 1 << 18;
/** A head that is larger is left to Node, which refuses it. */
const mostHeadBytes = 1 << 17;
const blankLine = Buffer.from("\r\n\r\n");

export interface Address {
  readonly secure: boolean;
  readonly host: string;
  readonly port: number;
}

export function addressOf(url: string): Address {
  const { protocol, hostname, port } = new URL(url);
  const secure = protocol === "https:";
  return { secure, host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? (secure ? 443 : 80) : Number(port) };
}

/** Bytes of a body as they come. A piece is good until the next one is asked for: whoever keeps it, copies it. */
export interface Inflow extends AsyncIterable<Buffer> {
  /** True once everything is there that was announced. */
  readonly complete: boolean;
  destroy(error?: Error): unknown;
}

/** A connection for one request. */
export class LentConnection {
  readonly socket: Socket;
  #head: Buffer | null = Buffer.alloc(0);
  #response: IncomingMessage | null = null;
  #body: LentBody | null = null;

  constructor({ secure, host, port }: Address) {
    const memory = [Buffer.allocUnsafeSlow(readBytes), Buffer.allocUnsafeSlow(readBytes)];
    let turn = 0;
    const options: TcpNetConnectOpts = {
      host, port, noDelay: true,
      // Strictly in turn: a buffer is read into again when the piece in the other one was asked for.
      onread: { buffer: () => memory[turn++ % 2], callback: (bytes, buffer) => this.#came(Buffer.from(buffer.buffer, buffer.byteOffset, bytes)) },
    };
    this.socket = secure ? connectSecure({ ...options, servername: isIP(host) ? "" : host }) : connectPlain(options);
  }

  /** To be called before anything is sent. */
  watch(request: ClientRequest): void {
    request.once("response", (response) => { this.#response = response; });
  }

  /** The body of the answer: of this connection where it can be read here, else Node's. */
  get body(): Inflow {
    return this.#body ?? this.#response!;
  }

  /** False stops the reading until `resume`. */
  #came(piece: Buffer): boolean {
    if (this.#body) return this.#body.take(piece);
    if (this.#head === null) {
      this.socket.emit("data", Buffer.from(piece));
      return true;
    }
    let rest = Buffer.concat([this.#head, piece]);
    for (;;) {
      const end = rest.indexOf(blankLine);
      if (end < 0) break;
      // Node hears of one head at a time, and of nothing behind it: an answer may follow some that announce it (100, 103).
      this.socket.emit("data", rest.subarray(0, end + blankLine.length));
      rest = rest.subarray(end + blankLine.length);
      if (this.#response) return this.#begin(this.#response, rest);
      if (this.socket.destroyed) return false;
    }
    this.#head = rest;
    if (rest.length > mostHeadBytes) {
      this.#head = null;
      this.socket.emit("data", rest);
    }
    return true;
  }

  #begin(response: IncomingMessage, rest: Buffer): boolean {
    this.#head = null;
    const { "content-type": type, "content-encoding": packed, "transfer-encoding": framed, "content-length": length } = response.headers;
    const counted = response.statusCode === 200 && framed === undefined && (packed === undefined || packed === "identity") && /^\s*multipart\//i.test(type ?? "");
    if (counted) {
      this.#body = new LentBody(this.socket, response, length === undefined ? null : Number(length));
      return rest.length === 0 || this.#body.take(rest);
    }
    if (rest.length > 0) this.socket.emit("data", rest);
    return true;
  }
}

class LentBody implements Inflow, AsyncIterator<Buffer> {
  complete = false;
  readonly #socket: Socket;
  /** Null where the end of the connection is the end of the body (RFC 9112, 6.3). */
  readonly #length: number | null;
  #got = 0;
  #queued: Buffer | null = null;
  #ended: { readonly error: Error | null } | null = null;
  #waiting: { resolve(result: IteratorResult<Buffer>): void; reject(error: Error): void } | null = null;

  constructor(socket: Socket, response: IncomingMessage, length: number | null) {
    this.#socket = socket;
    this.#length = length;
    // Node waits for a body that it does not get; what becomes of that is not looked at.
    response.on("error", () => {});
    socket.once("end", () => this.#end(null)).once("error", (error: Error) => this.#end(error)).once("close", () => this.#end(null));
    if (length === 0) this.#end(null);
  }

  take(piece: Buffer): boolean {
    if (this.#ended) return false;
    const left = this.#length === null ? Infinity : this.#length - this.#got;
    const mine = piece.length > left ? piece.subarray(0, left) : piece;
    this.#got += mine.length;
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting) waiting.resolve({ done: false, value: mine });
    else this.#queued = mine;
    if (this.#got === this.#length) this.#end(null);
    return waiting !== null;
  }

  next(): Promise<IteratorResult<Buffer>> {
    const value = this.#queued;
    if (value) {
      this.#queued = null;
      if (!this.#ended) this.#socket.resume();
      return Promise.resolve({ done: false, value });
    }
    if (this.#ended?.error) return Promise.reject(this.#ended.error);
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => { this.#waiting = { resolve, reject }; });
  }

  return(): Promise<IteratorResult<Buffer>> {
    this.destroy();
    return Promise.resolve({ done: true, value: undefined });
  }

  destroy(error?: Error): void {
    this.#end(error ?? null);
  }

  [Symbol.asyncIterator](): AsyncIterator<Buffer> {
    return this;
  }

  #end(error: Error | null): void {
    if (this.#ended) return;
    this.#ended = { error };
    this.complete = error === null && (this.#length === null ? this.#socket.readableEnded : this.#got === this.#length);
    this.#socket.destroy();
    const waiting = this.#waiting;
    this.#waiting = null;
    if (error) waiting?.reject(error);
    else waiting?.resolve({ done: true, value: undefined });
  }
}
