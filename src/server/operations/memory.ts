/** How much memory there is for us: what the machine has, or what its container is allowed. */
import { readFile } from "node:fs/promises";
import { totalmem } from "node:os";
import { dirname, join } from "node:path";

/** Where Linux tells it; replaced in tests. */
export interface Roots {
  readonly proc: string;
  readonly cgroup: string;
}

const linux: Roots = { proc: "/proc/self/cgroup", cgroup: "/sys/fs/cgroup" };
/** What is left to the rest of the machine. */
const share = 0.75;

/** Bytes that we may use when nothing is set. */
export async function usualMemory(roots: Roots = linux, machine = totalmem()): Promise<number> {
  return Math.floor(share * Math.min(machine, await cgroupLimit(roots)));
}

/** The smallest limit of our control group and those above it, version 2 or 1; Infinity where there is none. */
export async function cgroupLimit({ proc, cgroup }: Roots = linux): Promise<number> {
  const lines = (await readFile(proc, "utf8").catch(() => "")).split("\n");
  const limits: number[] = [];
  for (const line of lines) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined) continue;
    if (controllers === "") limits.push(...await upwards(cgroup, path, ["memory.max", "memory.high"]));
    else if (controllers.split(",").includes("memory")) limits.push(...await upwards(join(cgroup, "memory"), path, ["memory.limit_in_bytes"]));
  }
  return Math.min(Infinity, ...limits);
}

/** In a container the path of the host is not there, and the root of the mount is our own group. */
async function upwards(root: string, path: string, names: readonly string[]): Promise<number[]> {
  const limits: number[] = [];
  for (let at = path; ; at = dirname(at)) {
    for (const name of names) {
      const text = (await readFile(join(root, at, name), "utf8").catch(() => "")).trim();
      // Version 1 says "no limit" by a number near 2^63.
      if (/^\d+$/.test(text) && Number(text) < 2 ** 60) limits.push(Number(text));
    }
    if (at === "/" || at === ".") return limits;
  }
}
