/** Resident memory as Linux tells it; NaN where there is no /proc. */
import { readdir, readFile } from "node:fs/promises";

export interface Memory {
  /** MB of the process that serves HTTP: the child of the launcher, or the process itself. */
  readonly own: number;
  /** MB of the process and all below it. */
  readonly total: number;
}

interface Row {
  readonly parent: number;
  readonly megabytes: number;
  readonly command: string;
}

/** What is resident now. */
export function memoryOf(root: number): Promise<Memory> {
  return read(root, "VmRSS");
}

/** The most that was ever resident. */
export function peakMemory(root: number): Promise<Memory> {
  return read(root, "VmHWM");
}

async function read(root: number, field: "VmRSS" | "VmHWM"): Promise<Memory> {
  const rows = new Map<number, Row>();
  for (const name of await readdir("/proc").catch(() => [])) {
    if (!/^\d+$/.test(name)) continue;
    const status = await readFile(`/proc/${name}/status`, "utf8").catch(() => "");
    const command = (await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "")).replaceAll("\0", " ");
    const value = (key: string) => Number(new RegExp(`^${key}:\\s*(\\d+)`, "m").exec(status)?.[1] ?? 0);
    rows.set(Number(name), { parent: value("PPid"), megabytes: (value(field) * 1024) / 1e6, command });
  }
  const below = (pid: number): boolean => pid === root || (rows.has(pid) && pid > 1 && below(rows.get(pid)!.parent));
  const family = [...rows].filter(([pid]) => below(pid));
  if (family.length === 0) return { own: NaN, total: NaN };
  // bin/limnet starts the server, which starts the engine: the middle one serves.
  const serving = family.find(([pid, { command }]) => pid !== root && rows.get(pid)!.parent === root && /start_server/.test(command));
  return {
    own: (serving ?? family.find(([pid]) => pid === root))?.[1].megabytes ?? NaN,
    total: family.reduce((sum, [, { megabytes }]) => sum + megabytes, 0),
  };
}
