import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FolderHeld, holdFolder, holdName } from "./hold.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-hold-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("a state folder", () => {
  it("is held by one server; the second is told by whom and what to do; released it is free", async () => {
    const first = await holdFolder(folder);
    await expect(holdFolder(folder)).rejects.toThrow(FolderHeld);
    await expect(holdFolder(folder)).rejects.toThrow(new RegExp(`process ${process.pid} on .*--state`));
    await first.release();
    expect(await readdir(folder)).toEqual([]);
    await (await holdFolder(folder)).release();
  });

  it("is free at once when its server was killed", async () => {
    const script = `const { holdFolder } = await import(${JSON.stringify(new URL("./hold.ts", import.meta.url).href)}); await holdFolder(${JSON.stringify(folder)}); console.log("held"); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], { cwd: fileURLToPath(new URL("../..", import.meta.url)), stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    await expect(holdFolder(folder)).rejects.toThrow(`process ${child.pid}`);
    child.kill("SIGKILL");
    await once(child, "exit");
    const hold = await holdFolder(folder);
    expect(JSON.parse(await readFile(join(folder, holdName), "utf8")).pid).toBe(process.pid);
    await hold.release();
  });

  it("is not held by another process that got the same number", async () => {
    await holdFolder(folder);
    const holder = JSON.parse(await readFile(join(folder, holdName), "utf8"));
    await writeFile(join(folder, holdName), JSON.stringify({ ...holder, started: "1", nonce: "old" }));
    await (await holdFolder(folder)).release();
  });

  it("on another machine counts as held as long as there are signs of life", async () => {
    const path = join(folder, holdName);
    await writeFile(path, JSON.stringify({ nonce: "n", pid: 1, started: "1", host: "elsewhere", system: "x", since: "s" }));
    const beating = setInterval(() => void utimes(path, new Date(), new Date()), 20);
    await expect(holdFolder(folder, { beatMs: 200 })).rejects.toThrow("process 1 on elsewhere");
    clearInterval(beating);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await (await holdFolder(folder, { beatMs: 20 })).release();
  });

  it("is free again when the lock file was never written to its end", async () => {
    await writeFile(join(folder, holdName), "");
    await (await holdFolder(folder, { beatMs: 20 })).release();
  });
});
