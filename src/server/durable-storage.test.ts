import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { constants, PerformanceObserver } from "node:perf_hooks";
import { Readable } from "node:stream";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Request } from "express";
import { afterEach, beforeEach, expect, it } from "vitest";
import { DurableStorage } from "./durable-storage.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-upload-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function store(stream: Readable, { path = join(folder, "file"), most = Infinity } = {}): Promise<{ path: string; size: number }> {
  return new Promise((resolve, reject) => {
    const storage = new DurableStorage(async () => path, most);
    storage._handleFile({} as Request, { stream } as Express.Multer.File, (error, info) => (error ? reject(error as Error) : resolve(info as { path: string; size: number })));
  });
}

/** Pieces of these sizes, no two of them alike. */
function pieces(sizes: readonly number[]): Buffer[] {
  return sizes.map((size, n) => Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 7 + n * 13 + (i >> 8)) & 255)));
}

it.each([
  { sizes: [], name: "nothing at all" },
  { sizes: [1], name: "one byte" },
  { sizes: [1 << 20], name: "a piece to the byte" },
  { sizes: [1 << 20, 1 << 20, 1], name: "two pieces and a byte" },
  { sizes: [5, 3 << 20, 70_001, 1 << 20, 65_536, 65_536, 999_983], name: "what is larger than all pieces, and smaller" },
])("a file is what came, whatever it came in: $name", async ({ sizes }) => {
  const all = pieces(sizes);
  const { path, size } = await store(Readable.from(all));
  expect(size).toBe(sizes.reduce((sum, one) => sum + one, 0));
  expect(Buffer.compare(await readFile(path), Buffer.concat(all))).toBe(0);
});

it("more than may come is refused, and the rest is read, so that the form around it can end", async () => {
  const stream = Readable.from(pieces(Array.from({ length: 60 }, () => 65_536)));
  await expect(store(stream, { most: 1_000_000 })).rejects.toMatchObject({ code: "too_large" });
  await expect.poll(() => stream.readableEnded, { timeout: 20_000 }).toBe(true);
});

it("a file that cannot be made is an error, and what comes is read all the same", async () => {
  const stream = Readable.from(pieces([65_536, 65_536]));
  await expect(store(stream, { path: join(folder, "none", "file") })).rejects.toMatchObject({ code: "ENOENT" });
  await expect.poll(() => stream.readableEnded, { timeout: 20_000 }).toBe(true);
});

it.each([new Error("cut off"), undefined])("a stream that ends before its end is an error: %s", async (why) => {
  const stream = new Readable({ read() {} });
  stream.push(Buffer.alloc(100));
  const stored = store(stream);
  const refused = expect(stored).rejects.toThrow();
  setTimeout(() => stream.destroy(why), 20);
  await refused;
  expect(await readdir(folder)).toEqual(["file"]);
});

it("the memory of a large file is taken back as it passes, without a look at the whole heap each time", async () => {
  setFlagsFromString("--expose-gc");
  // As in a server that has run for a while.
  (runInNewContext("gc") as () => void)();
  let whole = 0;
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if ((entry as unknown as { detail: { kind: number } }).detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) whole++;
  });
  observer.observe({ entryTypes: ["gc"] });
  function* fresh() {
    for (let n = 0; n < 3200; n++) yield Buffer.alloc(65_536, n);
  }
  await store(Readable.from(fresh()));
  await new Promise((resolve) => setTimeout(resolve, 100));
  observer.disconnect();
  expect(whole).toBeLessThan(3);
}, 60_000);
