/** A real server on a real folder, with an app that answers at once: what is tested here is the protocol, not the networks. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { fromBuffer } from "yauzl";
import type { App, InferRequest, InferTask } from "../../src/apps/app.js";
import { scoringMethods } from "../../src/apps/scoring/methods.js";
import { FolderDatastore } from "../../src/datastore/folder.js";
import { type Log, silentLog } from "../../src/datastore/log.js";
import { encodeMask } from "../../src/imaging/mask.js";
import type { Geometry, Shape } from "../../src/imaging/geometry.js";
import { createServer, type LimnetServer } from "../../src/server/app.js";
import { type Config, type ConfigInput, loadConfig } from "../../src/server/config.js";

export const shape: Shape = [4, 3, 2];
export const geometry: Geometry = { affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0] };

/** Writes a small volume; `fill` tells one from another. */
export function writeVolume(path: string, fill = 1): Promise<void> {
  const ext = /(\.seg\.nrrd|\.nii\.gz|\.nii|\.nrrd)$/.exec(path)![0];
  return encodeMask(new Uint8Array(24).fill(fill), shape, geometry, ext, path);
}

export interface Lab {
  readonly folder: string;
  readonly server: LimnetServer;
  readonly config: Config;
  readonly datastore: FolderDatastore;
  /** Requests that reached the model, in order. */
  readonly seen: InferRequest[];
  /** The only model, `limnet`. */
  readonly model: InferTask;
  /** What the model does; replaced by tests. */
  behave: { run: InferTask["run"]; stored?: InferTask["stored"]; drawn?: InferTask["drawn"] };
  close(): Promise<void>;
}

/** Opens a server on a fresh folder that holds the given images; `makeApp` puts another app in the place of the quick one. */
export async function openLab(
  images: readonly string[] = ["scan_1.nii.gz", "scan_2.nrrd"], settings: ConfigInput = {}, log: Log = silentLog, makeApp?: (folder: string) => App,
): Promise<Lab> {
  const folder = await mkdtemp(join(tmpdir(), "limnet-protocol-"));
  for (const [n, image] of images.entries()) await writeVolume(join(folder, image), n + 1);
  const datastore = new FolderDatastore(folder, { log });
  await datastore.start();
  const seen: InferRequest[] = [];
  const behave: Lab["behave"] = { run: maskTask };
  const config = loadConfig({ app: folder, studies: folder, port: 0, ...settings }, {});
  const app = makeApp?.(folder) ?? testApp(seen, behave);
  await app.start();
  const server = createServer({ app, datastore, config, logger: log });
  return {
    folder, server, config, datastore, seen, behave, model: app.models.get("limnet")!,
    async close() {
      await server.close();
      await app.close();
      await datastore.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Answers with a mask of ones in the wanted container, and with numbers that JSON does not have. */
export const maskTask: InferTask["run"] = async ({ params, image }, { tempDir }) => {
  const ext = typeof params.result_extension === "string" ? params.result_extension : image.ext;
  await mkdir(tempDir, { recursive: true });
  const path = join(tempDir, `result${ext}`);
  await writeVolume(path);
  return { file: { path, ext }, json: { label_names: ["tumour"], latencies: { total: Number.NaN }, centroids: {} } };
};

export function testApp(seen: InferRequest[], behave: Lab["behave"]): App {
  const task: InferTask = {
    type: "deepgrow", labels: ["tumour"], dimension: 3, description: "test", config: () => ({ device: ["cpu"] }),
    get stored() {
      return behave.stored;
    },
    get drawn() {
      return behave.drawn;
    },
    run(request, options) {
      seen.push(request);
      return behave.run(request, options);
    },
  };
  const first: App["strategies"] = new Map([["first", {
    description: "Get First Sample",
    async next(datastore) {
      const [id] = await datastore.listUnlabeled();
      return id === undefined ? null : { id };
    },
  }]]);
  return {
    name: "test app", description: "for tests", version: "0.0.0", labels: ["tumour"],
    models: new Map([["limnet", task]]), strategies: first, scoring: scoringMethods(),
    async start() {}, async close() {},
  };
}

/** The bytes of an answer to bytes of a request, as they cross the wire. The request has to ask for Connection: close. */
export function rawExchange(port: number, request: Buffer | string): Promise<{ head: string; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(port, "127.0.0.1");
    const chunks: Buffer[] = [];
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("error", reject);
    socket.on("close", () => {
      const all = Buffer.concat(chunks);
      const split = all.indexOf("\r\n\r\n");
      resolve({ head: all.subarray(0, split).toString("latin1"), body: all.subarray(split + 4) });
    });
    socket.write(request);
  });
}

/** The members of a zip archive by name, in their order. */
export function unzip(archive: Buffer): Promise<Map<string, Buffer>> {
  return new Promise((resolve, reject) => {
    fromBuffer(archive, { lazyEntries: true }, (error, zip) => {
      if (error) return reject(error);
      const files = new Map<string, Buffer>();
      zip.on("error", reject);
      zip.on("end", () => resolve(files));
      zip.on("entry", (entry) => {
        zip.openReadStream(entry, (failed, stream) => {
          if (failed) return reject(failed);
          void buffer(stream).then((bytes) => {
            files.set(entry.fileName, bytes);
            zip.readEntry();
          }, reject);
        });
      });
      zip.readEntry();
    });
  });
}

/** Slicer's encoder: odd boundary, full client path as file name, an extra line end after the closing delimiter. */
export function slicerForm(fields: Record<string, string>, files: Record<string, { name: string; bytes: Buffer }> = {}): { type: string; body: Buffer } {
  const boundary = "----------lImIt_of_THE_fIle_eW_$";
  const parts: (string | Buffer)[] = [];
  for (const [name, text] of Object.entries(fields)) parts.push(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${text}\r\n`);
  for (const [name, { name: fileName, bytes }] of Object.entries(files)) {
    parts.push(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="${fileName}"\r\nContent-Type: application/octet-stream\r\n\r\n`, bytes, "\r\n");
  }
  parts.push(`--${boundary}--\r\n\r\n`);
  return { type: `multipart/form-data; boundary=${boundary}`, body: Buffer.concat(parts.map((part) => Buffer.from(part))) };
}
