import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { freePort } from "../../test/free-port.js";
import { ArchiveHttp, readAll } from "./http.js";
import { archiveSettings } from "./settings.js";

const closing: (() => unknown)[] = [];
afterEach(async () => { for (const close of closing.splice(0)) await close(); });

function http(port: number): ArchiveHttp {
  const made = new ArchiveHttp(archiveSettings(`http://127.0.0.1:${port}`).settings);
  closing.push(() => made.close());
  return made;
}

async function listening(server: Server, port = 0): Promise<number> {
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  closing.push(() => new Promise((resolve) => { server.close(resolve).closeAllConnections(); }));
  return (server.address() as AddressInfo).port;
}

/** A server that breaks its first `broken` connections; how often it was asked. */
async function breaking(broken: number): Promise<{ port: number; asked: () => number }> {
  let asked = 0;
  const server = createServer((request, response) => (++asked <= broken ? request.socket.resetAndDestroy() : response.end("here")));
  return { port: await listening(server), asked: () => asked };
}

describe("a read of an archive", () => {
  it("is tried again where the connection breaks before the answer", async () => {
    const { port, asked } = await breaking(2);
    expect(String(await readAll(await http(port).send({ method: "GET", url: `http://127.0.0.1:${port}/a` }), 100))).toBe("here");
    expect(asked()).toBe(3);
  });

  it("waits for an archive that is started again", async () => {
    const port = await freePort();
    const answer = http(port).send({ method: "GET", url: `http://127.0.0.1:${port}/a` });
    setTimeout(() => void listening(createServer((_, response) => response.end("back")), port), 600);
    expect(String(await readAll(await answer, 100))).toBe("back");
  });

  it("fails with the way out where nobody is there, and at once where the caller gives up", async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/a`;
    await expect(http(port).send({ method: "GET", url })).rejects.toMatchObject({ code: "archive_unreachable" });
    const gone = new Error("gone");
    const stop = new AbortController();
    setTimeout(() => stop.abort(gone), 50);
    await expect(http(port).send({ method: "GET", url, signal: stop.signal })).rejects.toBe(gone);
  });
});

describe("what is sent to an archive", () => {
  it("is not sent again by itself: it may have arrived", async () => {
    const { port, asked } = await breaking(1);
    await expect(http(port).send({ method: "POST", url: `http://127.0.0.1:${port}/studies`, body: Buffer.from("x") })).rejects.toMatchObject({ code: "archive_unreachable" });
    expect(asked()).toBe(1);
  });
});
