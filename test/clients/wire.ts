/** Requests byte for byte as clients send them, and replies as they read them. */
import { createConnection } from "node:net";

export interface WireReply {
  readonly status: number;
  /** Header names in lower case; of repeated ones the last. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/**
 * Sends exactly these bytes to the port on loopback and reads one reply by its Content-Length. The connection is then closed by us,
 * as Python's http.client does it: no request here asks for it.
 */
export function exchange(port: number, request: Buffer | string): Promise<WireReply> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(port, "127.0.0.1");
    let got = Buffer.alloc(0);
    socket.setTimeout(60_000, () => socket.destroy(new Error(`No whole reply; so far: ${got.toString("latin1").slice(0, 500)}`)));
    socket.on("error", reject);
    socket.on("end", () => reject(new Error(`The server closed the connection before its reply was whole: ${got.toString("latin1").slice(0, 500)}`)));
    socket.on("data", (chunk) => {
      got = Buffer.concat([got, chunk]);
      const split = got.indexOf("\r\n\r\n");
      if (split < 0) return;
      const [statusLine, ...lines] = got.subarray(0, split).toString("latin1").split("\r\n");
      const headers = new Map(lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]));
      const length = Number(headers.get("content-length"));
      if (!headers.has("content-length")) return socket.destroy(new Error(`A reply without Content-Length: ${statusLine}`));
      const body = got.subarray(split + 4);
      if (body.length < length) return;
      socket.removeAllListeners("end");
      socket.end();
      resolve({ status: Number(statusLine.split(" ")[1]), headers, body: body.subarray(0, length) });
    });
    socket.write(request);
  });
}

/** Method, path, headers in this order, body. */
export function requestOf(line: string, headers: readonly (readonly [string, string])[], body: Buffer | string = ""): Buffer {
  return Buffer.concat([Buffer.from(`${line} HTTP/1.1\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`), Buffer.from(body)]);
}
