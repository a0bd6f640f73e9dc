import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FileTurns } from "./file-turns.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-turns-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("turns that processes take", () => {
  it("come one after the other, those of other names beside them, and leave nothing behind", async () => {
    const servers = [new FileTurns(folder), new FileTurns(join(folder, "."))];
    let inside = 0;
    let most = 0;
    let others = 0;
    const work = async () => {
      most = Math.max(most, ++inside);
      await servers[0].run("other", async () => { others++; });
      inside--;
    };
    await Promise.all(Array.from({ length: 12 }, (_, n) => servers[n % 2].run("a", work)));
    expect([most, others]).toEqual([1, 12]);
    expect(await readdir(folder)).toEqual([]);
  });

  it("are not waited for longer than the caller wants", async () => {
    const turns = new FileTurns(folder);
    const end = await turns.take("a");
    const stop = new AbortController();
    const waiting = turns.take("a", stop.signal);
    stop.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    await end();
    await (await turns.take("a"))();
  });

  it("are free at once when the process that had one was killed", async () => {
    const script = `const { FileTurns } = await import(${JSON.stringify(new URL("./file-turns.ts", import.meta.url).href)}); await new FileTurns(${JSON.stringify(folder)}).take("a"); console.log("taken"); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], { cwd: fileURLToPath(new URL("../..", import.meta.url)), stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    const next = new FileTurns(folder, { beatMs: 600_000 }).take("a");
    child.kill("SIGKILL");
    await (await next)();
  });

  it("of another machine last as long as there are signs of life", async () => {
    const path = join(folder, "a.lock");
    await writeFile(path, JSON.stringify({ nonce: "n", pid: 1, started: "1", host: "elsewhere", system: "x", since: "s" }));
    const beating = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => {}), 20);
    const turn = new FileTurns(folder, { beatMs: 200 }).take("a");
    let taken = false;
    void turn.then(() => { taken = true; });
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(taken).toBe(false);
    clearInterval(beating);
    await (await turn)();
  });
});
