/** The HTTP server under Express: who is too slow, too long or too many is let go, and stopping it leaves nobody hanging. */
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createSecureServer, type Server as SecureServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { RequestHandler } from "express";
import type { Config } from "./config.js";
import type { TlsFiles } from "./tls.js";

export interface Door {
  readonly server: Server | SecureServer;
  readonly secure: boolean;
  /** Ends every connection, those too that never finished their TLS handshake (Node's closeAllConnections does not know them). */
  cutOff(): void;
}

/** A server that does not listen yet, with the limits of the settings; of https where there are files for it. */
export function createHttp(listener: RequestListener, config: Config, tls: TlsFiles | null = null): Door {
  const options = {
    maxHeaderSize: config.maxHeaderBytes,
    headersTimeout: config.headersSeconds * 1000,
    requestTimeout: Math.max(config.requestSeconds, config.headersSeconds) * 1000,
    // How often the two above are looked at.
    connectionsCheckingInterval: Math.min(30, config.headersSeconds) * 500,
  };
  const server = tls ? createSecureServer({ ...options, ...tls, handshakeTimeout: config.headersSeconds * 1000 }, listener) : createServer(options, listener);
  server.timeout = config.idleSeconds * 1000;
  server.maxConnections = config.maxConnections;
  const open = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
  });
  return { server, secure: tls !== null, cutOff: () => open.forEach((socket) => socket.destroy()) };
}

/** Lets a client go that stops sending in the middle of a body; what it sent goes with its request's temporary folder. */
export function stalledBodies({ stallSeconds, idleSeconds }: Config): RequestHandler {
  return (req, _res, next) => {
    if (req.headers["content-length"] ?? req.headers["transfer-encoding"]) {
      const calm = () => req.socket.setTimeout(idleSeconds * 1000);
      req.socket.setTimeout(stallSeconds * 1000);
      req.once("end", calm);
    }
    next();
  };
}

/** Resolves with the address, the real port in it. */
export function listen({ server, secure }: Door, { host, port }: Config): Promise<{ url: string; port: number }> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      const address = server.address() as AddressInfo;
      const name = address.family === "IPv6" ? `[${address.address}]` : address.address;
      resolve({ url: `${secure ? "https" : "http"}://${name}:${address.port}`, port: address.port });
    });
  });
}

/** Takes no new connections from now on; what it returns waits for those that are there for a moment, then cuts them off. */
export function closeServer({ server, cutOff }: Door): (patienceMs?: number) => Promise<void> {
  if (!server.listening) return async () => {};
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  return async (patienceMs = 3000) => {
    server.closeIdleConnections();
    const timer = setTimeout(cutOff, patienceMs);
    await closed;
    clearTimeout(timer);
  };
}
