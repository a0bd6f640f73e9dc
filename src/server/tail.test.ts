import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lastLines } from "./tail.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-tail-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function file(text: string): Promise<string> {
  const path = join(folder, "log");
  await writeFile(path, text);
  return path;
}

describe("the last lines of a file", () => {
  it.each([
    ["a\nb\nc\n", 2, "b\nc\n"],
    ["a\nb\nc", 2, "b\nc\n"],
    ["a\nb\n", 2, "a\nb\n"],
    ["a\nb\n", 9, "a\nb\n"],
    ["ä\n", 1, "ä\n"],
    ["", 3, "\n"],
  ])("of %j, %i of them", async (text, count, last) => expect(await lastLines(await file(text), count)).toBe(last));

  it("come from far back, line by line the same", async () => {
    const lines = Array.from({ length: 20_000 }, (_, n) => `line ${n} ${"é".repeat(n % 40)}`);
    const path = await file(`${lines.join("\n")}\n`);
    for (const count of [1, 300, 19_999, 20_000]) expect(await lastLines(path, count)).toBe(`${lines.slice(-count).join("\n")}\n`);
  });

  it("never start in the middle of a line where the limit cuts", async () => {
    const path = await file(`${"x".repeat(100)}\nwhole\n`);
    expect(await lastLines(path, 5, 30)).toBe("whole\n");
  });
});
