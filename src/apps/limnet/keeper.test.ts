import { mkdir, readdir, readFile, stat, utimes, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Log, silentLog } from "../../datastore/log.js";
import { objectName } from "./journals.js";
import { DiskKeeper } from "./keeper.js";
import { Journals } from "./journals.js";
import { KeyedLock } from "./lock.js";
import { TestBench } from "./testing-app.js";

let bench: TestBench;
const said: string[] = [];
const log: Log = { ...silentLog, warn: (message) => said.push(`warn ${message}`), info: (message) => said.push(`info ${message}`) };
beforeEach(async () => {
  bench = await TestBench.make();
  said.length = 0;
});
afterEach(() => bench.close());

const stateDir = () => path.join(bench.folder, "state");
const keeper = (limitBytes: number) => new DiskKeeper({ journals: new Journals(stateDir()), lock: new KeyedLock(), stateDir: stateDir(), limitBytes, log });
const folderOf = (user: string) => path.join(stateDir(), "objects", objectName({ digest: "d1", user, label: "object" }));
const masks = async (user: string) => (await readdir(folderOf(user))).filter((name) => name.endsWith(".gz"));
async function size(user: string): Promise<number> {
  const names = await readdir(folderOf(user));
  return (await Promise.all(names.map((name) => stat(path.join(folderOf(user), name))))).reduce((sum, { size: bytes }) => sum + bytes, 0);
}
/** Clicks on four slices as a user of this name; the work is approved where asked for. */
async function work(user: string, approved: boolean): Promise<void> {
  await bench.ask({ foreground: [[1, 1, 2], [3, 3, 5], [4, 4, 6], [0, 0, 7]] }, { user });
  if (approved) await bench.app.objects.submit({ image: bench.image, user, tag: "final", approved }, async () => undefined);
}

test("within the limit nothing goes", async () => {
  await work("a", true);
  await keeper(1e9).sweep();
  expect(await masks("a")).toHaveLength(4);
  expect(said).toEqual([]);
});

test("submitted work goes first, the oldest first, and no more than is needed", async () => {
  await work("open", false);
  for (const user of ["first", "second", "third"]) await work(user, true);
  const all = (await size("open")) + (await size("first")) + (await size("second")) + (await size("third"));
  await keeper(all - 100).sweep();
  const left = (await readdir(path.join(stateDir(), "objects"))).sort();
  expect(left).toEqual(["open", "second", "third"].map((user) => path.basename(folderOf(user))).sort());
  expect(await masks("open")).toHaveLength(4);
  expect(said).toEqual([expect.stringMatching(/^info .*1 submitted objects were removed/)]);
});

test("of other work only masks go that can be computed again: it is said, in the log and in the journal, and no click is lost", async () => {
  await work("open", false);
  await work("done", true);
  const before = await bench.ask({ foreground: [[1, 1, 2], [3, 3, 5], [4, 4, 6], [0, 0, 7]] }, { user: "open" });
  const earlier = await bench.ask({ foreground: [[1, 1, 2], [3, 3, 5]] }, { user: "x" });
  await keeper(1000).sweep();
  expect(await readdir(path.join(stateDir(), "objects"))).not.toContain(path.basename(folderOf("done")));
  expect(await masks("open")).toHaveLength(1);
  expect(await readFile(path.join(folderOf("open"), "journal.jsonl"), "utf8")).toContain("computed again when they are asked for");
  expect(said.some((line) => /^warn .*no click is lost/.test(line))).toBe(true);
  expect(said.at(-1)).toMatch(/^warn .*--state-limit/);
  const app = bench.reopen();
  expect((await bench.ask({ foreground: [[1, 1, 2], [3, 3, 5], [4, 4, 6], [0, 0, 7]] }, { user: "open", to: app })).mask).toEqual(before.mask);
  expect((await bench.ask({ foreground: [[1, 1, 2], [3, 3, 5]] }, { user: "open", to: app })).mask).toEqual(earlier.mask);
});

test("work that went on after it was submitted is not submitted work", async () => {
  await work("a", true);
  await bench.ask({ foreground: [[1, 1, 2]] }, { user: "a" });
  await keeper(10).sweep();
  expect(await readdir(folderOf("a"))).toContain("journal.jsonl");
});

test("folders of an earlier version go when nobody has touched them for a month", async () => {
  const [old, young] = ["0", "1"].map((digit) => path.join(stateDir(), digit.repeat(32)));
  for (const folder of [old, young]) {
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, "journal.jsonl"), "{}");
  }
  await utimes(path.join(old, "journal.jsonl"), 1, 1);
  await keeper(1e9).sweep();
  expect(await readdir(stateDir())).toContain("1".repeat(32));
  expect(await readdir(stateDir())).not.toContain("0".repeat(32));
});
