/** A real Orthanc and a server on it, for the tests of this folder. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { silentLog } from "../../src/datastore/log.js";
import { splitRelated, boundaryOf } from "../../src/dicomweb/multipart.js";
import { loadConfig } from "../../src/server/config.js";
import { type RunningServer, startServer } from "../../src/server/start.js";
import { type Orthanc, password, startOrthanc, user } from "./orthanc.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
export const fixtures = join(root, "test", "fixtures");
const login = { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` };

export class OrthancLab {
  server!: RunningServer;

  private constructor(readonly folder: string, readonly orthanc: Orthanc, readonly borrowed = false) {}

  static async open(): Promise<OrthancLab> {
    const folder = await mkdtemp(join(tmpdir(), "limnet-orthanc-lab-"));
    process.env.LIMNET_DICOMWEB_USERNAME = user;
    process.env.LIMNET_DICOMWEB_PASSWORD = password;
    return new OrthancLab(folder, await startOrthanc());
  }

  /** Another server on the same Orthanc, with state and cache of its own. */
  static async beside({ orthanc }: OrthancLab): Promise<OrthancLab> {
    return new OrthancLab(await mkdtemp(join(tmpdir(), "limnet-orthanc-lab-")), orthanc, true);
  }

  /** Starts the server; again: as after a restart. `more`: further settings. */
  async start(more: Record<string, unknown> = {}): Promise<RunningServer> {
    await this.server?.close();
    this.server = await startServer(loadConfig({
      app: join(root, "sample-apps", "radiology"), studies: this.orthanc.url, port: 0, state: join(this.folder, "state"), cacheFolder: join(this.folder, "cache"), archiveFresh: 0, ...more,
    }, {}), silentLog);
    return this.server;
  }

  /** Sends folders with the command of docs/orthanc.md; what it said. */
  async add(...folders: string[]): Promise<string> {
    let said = "";
    for (const one of folders) {
      const done = await promisify(execFile)(process.execPath, ["--import", "tsx", join(root, "src", "cli.ts"), "studies", "add", one, "--to", this.orthanc.url], { cwd: root })
        .catch((error: { stdout: string; stderr: string }) => error);
      said += done.stdout + done.stderr;
    }
    return said;
  }

  /** Stores one file as other programs do: past limnet. */
  async store(file: Uint8Array): Promise<void> {
    const body = Buffer.concat([Buffer.from("--x\r\nContent-Type: application/dicom\r\n\r\n"), file, Buffer.from("\r\n--x--\r\n")]);
    const answer = await fetch(`${this.orthanc.url}/studies`, { method: "POST", headers: { ...login, "Content-Type": 'multipart/related; type="application/dicom"; boundary=x', Accept: "application/dicom+json" }, body });
    if (answer.status !== 200) throw new Error(`Orthanc answered ${answer.status}: ${await answer.text()}`);
  }

  /** What Orthanc itself says: QIDO-RS below its root. */
  async search(path: string): Promise<Record<string, { Value?: unknown[] }>[]> {
    return await (await fetch(`${this.orthanc.url}/${path}`, { headers: { ...login, Accept: "application/dicom+json" } })).json() as Record<string, { Value?: unknown[] }>[];
  }

  /** The instances of a series as Orthanc serves them. */
  async retrieve(study: string, series: string): Promise<Buffer[]> {
    const answer = await fetch(`${this.orthanc.url}/studies/${study}/series/${series}`, { headers: { ...login, Accept: 'multipart/related; type="application/dicom"; transfer-syntax=*' } });
    const files: Buffer[] = [];
    const body = (async function* () { yield Buffer.from(await answer.arrayBuffer()); })();
    for await (const part of splitRelated(body, boundaryOf(answer.headers.get("content-type")!)!, { maxPartBytes: 1e9, maxParts: 1e4, maxTotalBytes: 1e10 })) files.push(part.body);
    return files;
  }

  async get<T = Record<string, unknown>>(path: string): Promise<T> {
    return await (await fetch(this.server.url + path)).json() as T;
  }

  async close(): Promise<void> {
    await this.server?.close();
    if (!this.borrowed) await this.orthanc.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

export const valueOf = (found: Record<string, { Value?: unknown[] }>, tag: string) => String(found[tag]?.Value?.[0] ?? "");
