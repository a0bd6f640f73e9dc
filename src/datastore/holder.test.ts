import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FileTurns } from "./file-turns.js";
import { createHold, type Holder, readHold, takeAway, thisProcess } from "./holder.js";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-holder-"));
  path = join(folder, "a.lock");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A process of this machine that is no more. */
async function deadHolder(nonce: string): Promise<Holder> {
  return { ...(await thisProcess()), nonce, pid: 2 ** 22 + 1, started: "1" };
}
const put = (at: string, holder: Holder) => writeFile(at, JSON.stringify(holder));

describe("the file of a dead holder", () => {
  it("is taken away, and nothing else is left", async () => {
    const dead = await deadHolder("dead");
    await put(path, dead);
    await takeAway(path, dead, await thisProcess());
    expect(await readdir(folder)).toEqual([]);
  });

  it("that a living one took meanwhile stays where it is: nobody can take it for a moment", async () => {
    const [dead, living, mine] = [await deadHolder("dead"), await thisProcess(), await thisProcess()];
    await put(path, living);
    const looks = Array.from({ length: 200 }, async () => createHold(path, await thisProcess(), { sync: false }));
    for (let n = 0; n < 50; n++) await takeAway(path, dead, mine);
    expect((await Promise.all(looks)).filter(Boolean)).toEqual([]);
    expect(await readHold(path)).toEqual(living);
    expect(await readdir(folder)).toEqual(["a.lock"]);
  });

  it("is taken away by one of many who find it at once, and then only one has the turn", async () => {
    for (let round = 0; round < 10; round++) {
      await put(path, await deadHolder(`dead-${round}`));
      let inside = 0;
      let most = 0;
      await Promise.all(Array.from({ length: 6 }, () => new FileTurns(folder).run("a", async () => {
        most = Math.max(most, ++inside);
        await new Promise(setImmediate);
        inside--;
      })));
      expect(most).toBe(1);
    }
    expect(await readdir(folder)).toEqual([]);
  });

  it("is taken away also where one who was about to do it was killed on the way", async () => {
    const [dead, killed] = [await deadHolder("dead"), await deadHolder("killed")];
    await put(path, dead);
    await put(`${path}.dead.gone`, killed);
    await takeAway(path, dead, await thisProcess());
    expect(await readdir(folder)).toEqual([]);
  });

  it("that was never written to its end is known by the file itself", async () => {
    await writeFile(path, "");
    const unread = await readHold(path) as Holder;
    await rm(path);
    await writeFile(path, "{");
    await takeAway(path, unread, await thisProcess());
    expect(await readdir(folder)).toEqual(["a.lock"]);
    await takeAway(path, await readHold(path) as Holder, await thisProcess());
    expect(await readdir(folder)).toEqual([]);
  });
});
