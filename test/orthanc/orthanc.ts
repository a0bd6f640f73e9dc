/** A real Orthanc for a test: the configuration of docs/orthanc.md, on a free port, with its files in a temporary folder. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../free-port.js";

const here = fileURLToPath(new URL(".", import.meta.url));
const program = "/usr/sbin/Orthanc";

export const hasOrthanc = existsSync(program);
export const user = "limnet";
export const password = "change-me";

export interface Orthanc {
  /** Root of its DICOMweb services. */
  readonly url: string;
  close(): Promise<void>;
}

export async function startOrthanc(): Promise<Orthanc> {
  const folder = await mkdtemp(join(tmpdir(), "limnet-orthanc-"));
  const port = await freePort();
  const shim = join(folder, "loopback.so");
  execFileSync("tcc", ["-shared", "-nostdlib", "-o", shim, join(here, "loopback.c")]);
  const settings = JSON.parse(await readFile(join(here, "orthanc.json"), "utf8")) as Record<string, unknown>;
  await writeFile(join(folder, "orthanc.json"), JSON.stringify({ ...settings, StorageDirectory: join(folder, "data"), IndexDirectory: join(folder, "data"), HttpPort: port }));
  const child = spawn(program, [join(folder, "orthanc.json")], { env: { ...process.env, LD_PRELOAD: shim }, stdio: "ignore" });
  const base = `http://127.0.0.1:${port}`;
  await ready(`${base}/system`, child);
  return {
    url: `${base}/dicom-web`,
    async close() {
      const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
      if (child.exitCode === null) await gone;
      clearTimeout(timer);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function ready(url: string, child: ChildProcess): Promise<void> {
  const headers = { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` };
  for (let n = 0; n < 300; n++) {
    if (child.exitCode !== null) throw new Error(`Orthanc ended with ${child.exitCode}`);
    if ((await fetch(url, { headers }).catch(() => null))?.status === 200) return;
    await delay(100);
  }
  throw new Error("Orthanc did not answer within 30 s");
}
