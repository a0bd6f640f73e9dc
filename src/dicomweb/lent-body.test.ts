import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createServer as createSecureServer } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { type ArchiveAnswer, ArchiveHttp } from "./http.js";
import { archiveSettings, type Deadlines } from "./settings.js";

const open: { close(): void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

type Speak = (socket: Socket) => void | Promise<void>;

/** A server that says just these bytes, and a client of it. */
async function archive(speak: Speak, { server = createServer(), deadlines = {} }: { server?: Server; deadlines?: Partial<Deadlines> } = {}) {
  const sockets = new Set<Socket>();
  const secure = "setSecureContext" in server;
  server.on(secure ? "secureConnection" : "connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("data", () => void speak(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `${secure ? "https" : "http"}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const http = new ArchiveHttp(archiveSettings(url, { deadlines: { answer: 5000, idle: 5000, total: 20_000, ...deadlines } }).settings);
  open.push({
    close() {
      http.close();
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  return { ask: () => http.send({ method: "GET", url: `${url}/series`, lent: true }), sockets };
}

async function read(answer: ArchiveAnswer, between?: () => Promise<unknown>): Promise<Buffer> {
  const kept: Buffer[] = [];
  for await (const piece of answer.body) {
    await between?.();
    kept.push(Buffer.from(piece));
  }
  return Buffer.concat(kept);
}

const head = (more: string) => `HTTP/1.1 200 OK\r\nContent-Type: multipart/related; boundary=x\r\n${more}\r\n`;
const large = Buffer.from(Array.from({ length: 3_000_017 }, (_, at) => (at * 7 + (at >> 9)) & 255));

describe("a large answer of an archive", () => {
  it.each([
    ["until the connection ends", "Connection: close\r\n", large],
    ["of a known length", `Content-Length: ${large.length}\r\n`, Buffer.concat([large, Buffer.from("what is behind it is not its")])],
    ["in chunks, which are left to Node", "Transfer-Encoding: chunked\r\n", Buffer.concat([Buffer.from(`${large.length.toString(16)}\r\n`), large, Buffer.from("\r\n0\r\n\r\n")])],
  ])("comes whole, also to a slow reader: %s", async (_, more, body) => {
    const { ask } = await archive((socket) => void socket.end(Buffer.concat([Buffer.from(head(more)), body])));
    expect((await read(await ask())).equals(large)).toBe(true);
    let n = 0;
    expect((await read(await ask(), () => (n++ % 3 === 0 ? delay(2) : Promise.resolve()))).equals(large)).toBe(true);
  });

  it("is found behind a head that comes in pieces and behind announcements", async () => {
    const { ask } = await archive(async (socket) => {
      for (const letter of `HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n${head("Content-Length: 4\r\n")}ab`) {
        socket.write(letter);
        await delay(0);
      }
      socket.write("cd");
    });
    expect(String(await read(await ask()))).toBe("abcd");
  });

  it("of no bytes, and one that is no multipart, are read as well", async () => {
    const none = await archive((socket) => void socket.write(head("Content-Length: 0\r\n")));
    expect((await read(await none.ask())).length).toBe(0);
    const page = await archive((socket) => void socket.write("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nlogin"));
    expect(String(await read(await page.ask()))).toBe("login");
  });

  it("that is cut off is an error, however its end was announced", async () => {
    for (const [more, end] of [["Content-Length: 10\r\n", (socket: Socket) => socket.end()], ["Content-Length: 10\r\n", (socket: Socket) => socket.resetAndDestroy()], ["Connection: close\r\n", (socket: Socket) => socket.resetAndDestroy()]] as const) {
      const { ask } = await archive(async (socket) => {
        socket.write(`${head(more)}12345`);
        await delay(50);
        end(socket);
      });
      await expect(ask().then((answer) => read(answer))).rejects.toMatchObject({ code: expect.stringMatching(/^archive_/) as string });
    }
  });

  it("has its deadlines, and its connection goes when nobody reads on", async () => {
    const silent = await archive((socket) => void socket.write(`${head("Content-Length: 10\r\n")}12345`), { deadlines: { idle: 100 } });
    await expect(silent.ask().then((answer) => read(answer))).rejects.toMatchObject({ code: "archive_timeout" });
    const patient = await archive((socket) => void socket.write(head("Content-Length: 1000\r\n")));
    (await patient.ask()).discard();
    await expect.poll(() => [...patient.sockets].every((socket) => socket.destroyed), { timeout: 5000 }).toBe(true);
    const left = await archive((socket) => void socket.write(Buffer.concat([Buffer.from(head("Connection: close\r\n")), large])));
    for await (const _ of (await left.ask()).body) break;
    await expect.poll(() => [...left.sockets].every((socket) => socket.destroyed), { timeout: 5000 }).toBe(true);
  });

  it("that speaks no HTTP, or has a head without end, is refused", async () => {
    for (const words of ["SSH-2.0-archive\r\n\r\n", `HTTP/1.1 200 OK\r\nA: ${"a".repeat(300_000)}`]) {
      const { ask } = await archive((socket) => void socket.write(words));
      await expect(ask()).rejects.toMatchObject({ code: expect.stringMatching(/^archive_/) as string });
    }
  });

  it("over https needs a certificate that this machine trusts", async () => {
    const folder = await mkdtemp(join(tmpdir(), "limnet-lent-"));
    const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
    const trust = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    try {
      execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert], { stdio: "ignore" });
      const server = createSecureServer({ key: await readFile(key), cert: await readFile(cert) });
      const { ask } = await archive((socket) => void socket.end(Buffer.concat([Buffer.from(head("Connection: close\r\n")), large])), { server });
      await expect(ask()).rejects.toMatchObject({ code: "archive_unreachable" });
      process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
      expect((await read(await ask())).equals(large)).toBe(true);
    } finally {
      if (trust === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = trust;
      await rm(folder, { recursive: true, force: true });
    }
  });
});
