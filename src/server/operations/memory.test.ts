import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { cgroupLimit, usualMemory } from "./memory.js";
import { parseBytes } from "./settings.js";

const gigabyte = 2 ** 30;
const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

/** A machine whose control groups look like this. */
async function machine(self: string, files: Record<string, string>) {
  const folder = await mkdtemp(join(tmpdir(), "limnet-cgroup-"));
  folders.push(folder);
  for (const [name, text] of Object.entries({ self, ...files })) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return { proc: join(folder, "self"), cgroup: join(folder, "cgroup") };
}

describe("memory that is there", () => {
  it("is what the machine has where no control group says less", async () => {
    const roots = await machine("0::/user.slice\n", { "cgroup/user.slice/memory.max": "max\n" });
    expect(await cgroupLimit(roots)).toBe(Infinity);
    expect(await usualMemory(roots, 8 * gigabyte)).toBe(6 * gigabyte);
    expect(await cgroupLimit({ proc: "/nowhere", cgroup: "/nowhere" })).toBe(Infinity);
  });

  it("is the smallest limit on the way up, in version 2", async () => {
    const roots = await machine("0::/system.slice/limnet.service\n", {
      "cgroup/system.slice/limnet.service/memory.max": `${4 * gigabyte}\n`, "cgroup/system.slice/limnet.service/memory.high": "max\n",
      "cgroup/system.slice/memory.max": `${3 * gigabyte}\n`,
    });
    expect(await cgroupLimit(roots)).toBe(3 * gigabyte);
  });

  it("is the limit of version 1, also in a container that cannot see its path", async () => {
    const self = "3:cpu,cpuacct:/docker/ab\n5:memory:/docker/ab\n";
    expect(await cgroupLimit(await machine(self, { "cgroup/memory/memory.limit_in_bytes": `${2 * gigabyte}\n` }))).toBe(2 * gigabyte);
    expect(await cgroupLimit(await machine(self, { "cgroup/memory/docker/ab/memory.limit_in_bytes": "9223372036854771712\n" }))).toBe(Infinity);
  });
});

describe("an amount of memory", () => {
  it.each([["4GB", 4 * gigabyte], ["1.5 GiB", 1.5 * gigabyte], ["800m", 800 * 2 ** 20], ["1000", 1000], ["2T", 2 ** 41]])("%s", (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });
  it.each(["", "much", "-1", "4XB", "4 4"])("is not %j", (text) => expect(parseBytes(text)).toBeNull());
});
