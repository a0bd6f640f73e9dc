/** The HTTP server under Express: who is too slow, too long or too many is let go, and stopping it leaves nobody hanging. */
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { RequestHandler } from "express";
import type { Config } from "./config.js";

/** A server that does not listen yet, with the limits of the settings. */
export function createHttp(listener: RequestListener, config: Config): Server {
  const server = createServer({
    maxHeaderSize: config.maxHeaderBytes,
    headersTimeout: config.headersSeconds * 1000,
    requestTimeout: Math.max(config.requestSeconds, config.headersSeconds) * 1000,
    // How often the two above are looked at.
    connectionsCheckingInterval: Math.min(30, config.headersSeconds) * 500,
  }, listener);
  server.timeout = config.idleSeconds * 1000;
  server.maxConnections = config.maxConnections;
  return server;
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
export function listen(server: Server, { host, port }: Config): Promise<{ url: string; port: number }> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      const address = server.address() as AddressInfo;
      const name = address.family === "IPv6" ? `[${address.address}]` : address.address;
      resolve({ url: `http://${name}:${address.port}`, port: address.port });
    });
  });
}

/** Takes no new connections from now on; what it returns waits for those that are there for a moment, then cuts them off. */
export function closeServer(server: Server): (patienceMs?: number) => Promise<void> {
  if (!server.listening) return async () => {};
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  return async (patienceMs = 3000) => {
    server.closeIdleConnections();
    const timer = setTimeout(() => server.closeAllConnections(), patienceMs);
    await closed;
    clearTimeout(timer);
  };
}
