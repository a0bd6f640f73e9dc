/** A real Orthanc for a test: the configuration of docs/orthanc.md, on a free port, with its files in a temporary folder. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
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
  /** Ends it as a fault would. It is started again by itself. */
  kill(): void;
  close(): Promise<void>;
}

/** Like a service manager: where Orthanc ends by itself (1.10.1 of Debian was seen to, once), it is started again on the same files, and the run says so. */
export async function startOrthanc(): Promise<Orthanc> {
  const folder = await mkdtemp(join(tmpdir(), "limnet-orthanc-"));
  const port = await freePort();
  const shim = join(folder, "loopback.so");
  execFileSync("tcc", ["-shared", "-nostdlib", "-o", shim, join(here, "loopback.c")]);
  const settings = JSON.parse(await readFile(join(here, "orthanc.json"), "utf8")) as Record<string, unknown>;
  await writeFile(join(folder, "orthanc.json"), JSON.stringify({ ...settings, StorageDirectory: join(folder, "data"), IndexDirectory: join(folder, "data"), HttpPort: port }));
  let [running, closing, killed, ends] = [false, false, false, 0];
  let child: ChildProcess;
  const start = () => {
    child = spawn(program, [join(folder, "orthanc.json")], { env: { ...process.env, LD_PRELOAD: shim }, stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr!.on("data", (piece) => (said = (said + piece).slice(-2000)));
    child.once("exit", (code, signal) => {
      if (closing) return;
      if (!killed) console.error(`Orthanc ended by itself (${signal ?? code}). Its last words:\n${said}`);
      killed = false;
      if (running && ++ends < 4) start();
    });
  };
  start();
  const close = async () => {
    closing = true;
    if (child.exitCode === null && child.signalCode === null) {
      const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
      child.kill("SIGTERM");
      await once(child, "exit");
      clearTimeout(timer);
    }
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await ready(`http://127.0.0.1:${port}/system`, () => child);
    running = true;
  } catch (error) {
    await close();
    throw error;
  }
  return { url: `http://127.0.0.1:${port}/dicom-web`, kill: () => void (killed = child.kill("SIGKILL")), close };
}

async function ready(url: string, child: () => ChildProcess): Promise<void> {
  const headers = { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` };
  for (let n = 0; n < 300; n++) {
    if (child().exitCode !== null || child().signalCode !== null) throw new Error("Orthanc does not start");
    if ((await fetch(url, { headers }).catch(() => null))?.status === 200) return;
    await delay(100);
  }
  throw new Error("Orthanc did not answer within 30 s");
}
