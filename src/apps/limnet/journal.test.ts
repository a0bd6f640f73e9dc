import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { appendSynced } from "../../durable.js";
import { Journal, type JournalOptions } from "./journal.js";
import { type History, stepInForce, toDelta } from "./rounds/history.js";
import { type Op, stateKeys, type Way } from "./rounds/program.js";

const way: Way = { model: "limnet", axis: 2, settings: { fusion: "network", memory: "permanent", propagate: true, window: null } };
let folder: string;
beforeEach(async () => {
  folder = path.join(await mkdtemp(path.join(tmpdir(), "limnet-journal-")), "object");
});
afterEach(() => rm(path.dirname(folder), { recursive: true, force: true }));

const file = () => path.join(folder, "journal.jsonl");
const open = (options?: JournalOptions) => new Journal(folder, { image: "scan", digest: "d", user: "u", label: "l" }, options);
/** One more click, on slice `n`. */
async function click(journal: Journal, n: number): Promise<History> {
  const before = stepInForce(await journal.load());
  const ops: Op[] = [...(before?.ops ?? []), { op: "round", slice: n, clicks: [{ voxel: [1, 1, n], positive: true }] }];
  return journal.append({ who: "u", action: "infer", ran: [], steps: [toDelta({ way, weights: "w", ops, keys: stateKeys(way, "w", ops) }, before)] });
}
const slices = (history: History) => stepInForce(history)?.ops.map((op) => (op.op === "round" ? op.slice : -1)) ?? [];

describe("the journal of an object", () => {
  test("is read as it was written, and says whose it is", async () => {
    const journal = open();
    for (const n of [3, 5, 7]) await click(journal, n);
    await journal.append({ who: "u", action: "undo", ran: [], head: 2 });
    const history = await open().load();
    expect([slices(history), history.head, history.steps.length, history.n]).toEqual([[3, 5], 2, 3, 4]);
    expect(history).toEqual(await journal.load());
    expect(JSON.parse(await readFile(path.join(folder, "object.json"), "utf8"))).toMatchObject({ image: "scan", digest: "d", user: "u", label: "l" });
  });

  test("keeps what was decided on each slice, with the directions' disagreement where it is known", async () => {
    const decided = [{ index: 3, winner: "user", probability: 1 }, { index: 4, winner: "current", probability: 0.61234, disagreement: 0.25 }] as const;
    const ops: Op[] = [{ op: "round", slice: 3, clicks: [{ voxel: [1, 1, 3], positive: true }] }];
    const keys = stateKeys(way, "w", ops);
    const record = { key: keys[0], slice: 3, slices: decided, seconds: 1, propagated: 2, digest: "d", model: "m" };
    await mkdir(folder);
    await writeFile(path.join(folder, `${keys[0]}.gz`), "");
    await open().append({ who: "u", action: "infer", ran: [record], steps: [toDelta({ way, weights: "w", ops, keys }, null)] });
    expect(await readFile(file(), "utf8")).toContain('"slices":[[3,"user",1],[4,"current",0.6123,0.25]]');
    expect((await open().load()).records.get(keys[0])!.slices).toEqual([decided[0], { ...decided[1], probability: 0.6123 }]);
    const older = (await readFile(file(), "utf8")).replace(",0.25]", "]");
    await writeFile(file(), older);
    expect((await open().load()).records.get(keys[0])!.slices[1]).toEqual({ index: 4, winner: "current", probability: 0.6123 });
  });

  test("a last line cut short goes, at every length, and the journal says so", async () => {
    const journal = open();
    await click(journal, 3);
    const one = (await readFile(file())).length;
    await click(journal, 5);
    const two = await readFile(file());
    for (let length = one + 1; length < two.length; length += 37) {
      await writeFile(file(), two.subarray(0, length));
      const again = open();
      expect(slices(await again.load())).toEqual([3]);
      expect((await again.entries()).map(({ action }) => action)).toEqual(["infer", "repair"]);
      expect(slices(await click(again, 7))).toEqual([3, 7]);
      expect(slices(await open().load())).toEqual([3, 7]);
    }
  });

  test("a damaged line is passed over, what hangs on it too; the file as it was is kept, and nothing that can be read is lost", async () => {
    const journal = open();
    for (const n of [3, 5, 7]) await click(journal, n);
    const lines = (await readFile(file(), "utf8")).split("\n");
    await writeFile(file(), [lines[0], `${lines[1].slice(0, 30)}\0\0\0`, lines[2], ""].join("\n"));
    const again = open();
    expect(slices(await again.load())).toEqual([3]);
    expect((await readdir(folder)).filter((name) => name.startsWith("journal-damaged"))).toHaveLength(1);
    const entries = await again.entries();
    expect(entries.map(({ action }) => action)).toEqual(["infer", "infer", "repair"]);
    expect(entries.at(-1)!.note).toContain("2 damaged lines");
    await click(again, 9);
    expect(slices(await open().load())).toEqual([3, 9]);
    expect((await readdir(folder)).filter((name) => name.startsWith("journal-damaged"))).toHaveLength(1);
  });

  test("is packed when it grows, keeps every step, and still tells every line", async () => {
    const journal = open({ packBytes: 4000 });
    for (let n = 0; n < 60; n++) await click(journal, n);
    await journal.append({ who: "u", action: "undo", ran: [], head: 20 });
    expect((await readdir(folder)).filter((name) => name.endsWith(".jsonl.gz")).length).toBeGreaterThan(0);
    const again = open();
    const history = await again.load();
    expect([history.head, history.steps.length, history.n]).toEqual([20, 60, 61]);
    expect(slices(history)).toEqual(Array.from({ length: 20 }, (_, n) => n));
    expect((await again.entries()).map(({ n }) => n)).toEqual(Array.from({ length: 61 }, (_, n) => n + 1));
    expect((await readFile(file())).length).toBeLessThan(40_000);
  });

  test("a damaged first line of a packed journal is told by the archives: no round is lost", async () => {
    const journal = open({ packBytes: 4000 });
    let n = 0;
    const packed = async () => (await readdir(folder)).filter((name) => name.endsWith(".jsonl.gz")).length;
    do await click(journal, n++); while ((await packed()) < 2);
    await click(journal, n++);
    const lines = (await readFile(file(), "utf8")).split("\n");
    expect(lines[0]).toContain("snapshot");
    await writeFile(file(), [`${lines[0].slice(0, 60)}\0\0`, ...lines.slice(1)].join("\n"));
    const all = Array.from({ length: n }, (_, slice) => slice);
    const again = open();
    expect(slices(await again.load())).toEqual(all);
    expect((await again.entries()).at(-1)!.note).toContain("read from the archives");
    expect((await again.entries()).map((entry) => entry.n)).toEqual([...all, n].map((at) => at + 1));
    await click(again, n);
    expect(slices(await open().load())).toEqual([...all, n]);
  });

  test("a full disk in the middle of a line leaves the journal as it was, and it works again when there is room", async () => {
    let room = Infinity;
    const append = async (name: string, text: string) => {
      if (text.length <= room) return appendSynced(name, text);
      await appendFile(name, text.slice(0, room));
      throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
    };
    const journal = open({ append });
    await click(journal, 3);
    const before = await readFile(file());
    room = 40;
    await expect(click(journal, 5)).rejects.toMatchObject({ code: "ENOSPC" });
    expect(await readFile(file())).toEqual(before);
    expect(slices(await journal.load())).toEqual([3]);
    room = Infinity;
    expect(slices(await click(journal, 7))).toEqual([3, 7]);
    expect(slices(await open().load())).toEqual([3, 7]);
  });

  test("a full disk says so also where the last line had been cut short and there is no room for the word about it", async () => {
    await click(open(), 3);
    const one = await readFile(file());
    await appendFile(file(), '{"version":2,"n":2');
    const append = async (name: string, text: string) => {
      await appendFile(name, text.slice(0, 20));
      throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
    };
    const full = open({ append });
    await expect(click(full, 5)).rejects.toMatchObject({ code: "ENOSPC" });
    expect(slices(await full.load())).toEqual([3]);
    expect(await readFile(file())).toEqual(one);
    expect(slices(await click(open(), 7))).toEqual([3, 7]);
  });

  test("an archive that can be unpacked no more costs its own lines and nothing else", async () => {
    const journal = open({ packBytes: 4000 });
    for (let n = 0; n < 60; n++) await click(journal, n);
    const archive = (await readdir(folder)).find((one) => one.endsWith(".jsonl.gz"))!;
    await writeFile(path.join(folder, archive), "no gzip");
    const told = await open().entries();
    expect(told.length).toBeGreaterThan(0);
    expect(told.at(-1)!.n).toBe(60);
    expect(slices(await open().load())).toHaveLength(60);
  });

  test("readers beside a writer never see half a line, nor cut one off", async () => {
    const journal = open();
    const writing = (async () => {
      for (let n = 0; n < 30; n++) await click(journal, n);
    })();
    for (let n = 0; n < 60; n++) await journal.load();
    await writing;
    expect((await open().load()).steps).toHaveLength(30);
    await truncate(file(), 0);
    expect((await journal.load()).steps).toHaveLength(0);
  });
});
