import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FolderDatastore } from "../datastore/folder.js";
import type { Params, Strategy } from "./app.js";
import { Leases } from "./pool.js";
import { firstStrategy, lastStrategy, randomStrategy } from "./strategies.js";

let folder: string;
let store: FolderDatastore;
let time: number;
let leases: Leases;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-pool-"));
  for (const name of ["a", "b", "c"]) await writeFile(join(folder, `${name}.nii`), "x");
  store = new FolderDatastore(folder);
  await store.start();
  time = 1_700_000_000;
  leases = new Leases({ seconds: 60, now: () => time });
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const serve = async (client: string, strategy: Strategy = firstStrategy(), options: Params = {}, name = "first") =>
  (await leases.serve(store, name, strategy, client, options))?.image.id ?? null;

test("no image goes to two clients, whatever strategies they use, and nothing is served when all are taken", async () => {
  expect(await serve("u")).toBe("a");
  expect(await serve("v")).toBe("b");
  expect(await serve("w", lastStrategy(), {}, "last")).toBe("c");
  expect(await serve("x", randomStrategy(), {}, "random")).toBeNull();
});

test("twenty who ask at once get what is there, each once", async () => {
  const served = await Promise.all(Array.from({ length: 20 }, (_, n) => serve(`user-${n}`, randomStrategy(), {}, "random")));
  expect(served.filter((id) => id !== null).sort()).toEqual(["a", "b", "c"]);
});

test("a client keeps what it was given, until the lease ends", async () => {
  await serve("u");
  time += 59;
  expect([await serve("v"), await serve("u")]).toEqual(["b", "a"]);
  time += 59;
  expect(await serve("v", lastStrategy(), {}, "last")).toBe("c");
  time += 2;
  expect(await serve("w")).toBe("a");
});

test("leases hold after a restart", async () => {
  await serve("u");
  await store.close();
  store = new FolderDatastore(folder);
  await store.start();
  leases = new Leases({ seconds: 60, now: () => time });
  expect([await serve("v"), await serve("u")]).toEqual(["b", "a"]);
});

test("without leases everyone gets the same", async () => {
  leases = new Leases({ seconds: 0, now: () => time });
  expect([await serve("u"), await serve("v")]).toEqual(["a", "a"]);
});

test("a strategy that fails holds up nobody", async () => {
  const broken: Strategy = { description: "", next: async () => { throw new Error("broken"); } };
  await expect(serve("u", broken)).rejects.toThrow("broken");
  expect(await serve("u")).toBe("a");
});

test("an image is labelled when it has a final label, or the tag and segments that the request names", async () => {
  const save = async (id: string, tag: string, names: string[]) => {
    await writeFile(join(folder, ".in"), "x");
    await store.saveLabel(id, tag, ".nii", join(folder, ".in"), { label_info: names.map((name, n) => ({ name, idx: n + 1 })) });
  };
  await save("a", "final", ["liver"]);
  await save("b", "original", ["liver"]);
  expect(await serve("u")).toBe("b");
  expect(await serve("u", firstStrategy(), { label_tag: "original" })).toBe("a");
  expect(await serve("u", firstStrategy(), { labels: ["liver"] })).toBe("b");
  expect(await serve("u", firstStrategy(), { labels: ["liver", "spleen"] })).toBe("a");
});

test("infos that other programs wrote are no leases unless they look like one", async () => {
  await store.updateImageInfo("a", { strategy: { random: { ts: "yesterday", client_id: "u" }, annotate: null } });
  await store.updateImageInfo("b", { strategy: "none" });
  expect(await serve("v")).toBe("a");
  expect(await serve("w")).toBe("b");
});
