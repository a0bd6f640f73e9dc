/** The archive: a series of 200 x 512 x 512 from a real Orthanc beside curl and beside the peer's way; a list of 10,000 studies. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import dcmjs from "dcmjs";
import { api } from "dicomweb-client";
import { DicomWebDatastore, volumeModalities } from "../src/datastore/dicomweb.js";
import { silentLog } from "../src/datastore/log.js";
import { DecoderPool } from "../src/dicom/codecs/pool.js";
import { SeriesAssembler } from "../src/dicom/assembler.js";
import { DicomLabels } from "../src/dicom/labels.js";
import { ArchiveClient } from "../src/dicomweb/client.js";
import { Credentials } from "../src/dicomweb/credentials.js";
import { ArchiveHttp } from "../src/dicomweb/http.js";
import { archiveSettings } from "../src/dicomweb/settings.js";
import { ArchiveXhr } from "../src/dicomweb/xhr.js";
import { openFake } from "../test/archive/fake.js";
import { ctSeries, series, study } from "../test/archive/series.js";
import { hasOrthanc, password, startOrthanc, user } from "../test/orthanc/orthanc.js";
import { type Figure, median, printFigures } from "./statistics.js";

const runs = 5;

function clientOf(url: string): ArchiveClient {
  return new ArchiveClient(new ArchiveHttp(archiveSettings(url).settings, new Credentials({ username: user, password })));
}

async function store(url: string, folder: string): Promise<DicomWebDatastore> {
  const datastore = new DicomWebDatastore({
    client: clientOf(url), labels: new DicomLabels({ codes: {}, version: "test", clicked: [] }), decoder: new DecoderPool(), log: silentLog, modalities: volumeModalities,
    cacheFolder: join(folder, "cache"), cacheBytes: 2 ** 34, stateFolder: join(folder, "state"), freshMs: 60_000,
  });
  await datastore.start();
  return datastore;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "limnet-bench-archive-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * The peer's way: dicomweb-client's retrieveSeries, dcmjs for each instance with its attributes by name, and what somebody has to add for a
 * volume: the order of the slices along their normal, the rescale, one array. Nobody is spared or charged more: no QIDO, no metadata, no
 * sum and no file, which our way into the cache has to pay; attributes by name, as whoever goes on with the volume needs them and ours has
 * them too. `over`: "ours" is our HTTP, which spares the peer the slower ones; "fetch" is what its users have in Node, where there is no
 * XMLHttpRequest.
 */
async function peer(url: string, over: "ours" | "fetch"): Promise<Int16Array> {
  const http = new ArchiveHttp(archiveSettings(url).settings, new Credentials({ username: user, password }));
  try {
    const client = new api.DICOMwebClient({ url, verbose: false, singlepart: false, headers: { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` } });
    const instance = over === "ours" ? new BinaryXhr(http) : new FetchXhr();
    const files = await (client as unknown as { retrieveSeries(options: unknown): Promise<ArrayBuffer[]> }).retrieveSeries({ studyInstanceUID: study, seriesInstanceUID: series, request: { instance } });
    const slices = files.map((file) => {
      const { dict } = dcmjs.data.DicomMessage.readFile(file);
      const header = dcmjs.data.DicomMetaDictionary.naturalizeDataset(dict);
      const [p, o] = [header.ImagePositionPatient as number[], header.ImageOrientationPatient as number[]];
      const normal = [o[1] * o[5] - o[2] * o[4], o[2] * o[3] - o[0] * o[5], o[0] * o[4] - o[1] * o[3]];
      const pixels = new Int16Array(dict["7FE00010"].Value![0] as ArrayBuffer);
      return { pixels, along: normal.reduce((sum, part, axis) => sum + part * p[axis], 0), slope: Number(header.RescaleSlope), intercept: Number(header.RescaleIntercept) };
    }).sort((a, b) => a.along - b.along);
    const volume = new Int16Array(slices.length * slices[0].pixels.length);
    for (const [k, { pixels, slope, intercept }] of slices.entries()) {
      for (let at = 0, to = k * pixels.length; at < pixels.length; at++, to++) volume[to] = slope * pixels[at] + intercept;
    }
    return volume;
  } finally {
    http.close();
  }
}

/** As ArchiveXhr, for answers that are bytes. */
class BinaryXhr extends ArchiveXhr {
  constructor(http: ArchiveHttp) {
    super(http);
    this.binary = true;
  }
}

/** XMLHttpRequest over fetch, as small as dicomweb-client allows. */
class FetchXhr {
  responseType = "";
  readyState = 0;
  status = 0;
  response: unknown = null;
  onreadystatechange: (() => void) | null = null;
  onloadstart: (() => void) | null = null;
  onloadend: (() => void) | null = null;
  readonly #headers: Record<string, string> = {};
  #request = { method: "GET", url: "" };
  #answer: Response | null = null;

  open(method: string, url: string): void {
    this.#request = { method, url };
  }

  setRequestHeader(name: string, value: string): void {
    this.#headers[name] = value;
  }

  getResponseHeader(name: string): string | null {
    return this.#answer?.headers.get(name) ?? null;
  }

  getAllResponseHeaders(): string {
    return [...(this.#answer?.headers ?? [])].map(([name, value]) => `${name}: ${value}`).join("\r\n");
  }

  send(): void {
    void (async () => {
      this.#answer = await fetch(this.#request.url, { method: this.#request.method, headers: this.#headers });
      this.response = await this.#answer.arrayBuffer();
      this.status = this.#answer.status;
      this.readyState = 4;
      this.onreadystatechange?.();
      this.onloadend?.();
    })();
  }
}

/** The same without a datastore: our way from the archive to a volume in memory, nothing written, nothing kept. */
async function inMemory(url: string): Promise<void> {
  const client = clientOf(url);
  try {
    const assembler = new SeriesAssembler({ onlyFirst: true });
    for await (const file of client.retrieveSeries({ study, series })) await assembler.add(file);
    await assembler.finish();
  } finally {
    client.http.close();
  }
}

async function loading(): Promise<Figure[]> {
  if (!hasOrthanc) return [];
  const orthanc = await startOrthanc();
  try {
    const instances = ctSeries(200, 512, -1024);
    const client = clientOf(orthanc.url);
    for (let at = 0; at < instances.length; at += 20) await client.store(instances.slice(at, at + 20).map(({ file }) => file));
    const curl = () => promisify(execFile)("curl", ["-s", "-f", "-o", "/dev/null", "-u", `${user}:${password}`, "-H", 'Accept: multipart/related; type="application/dicom"; transfer-syntax=*',
      `${orthanc.url}/studies/${study}/series/${series}`]);
    const decode = async () => {
      const assembler = new SeriesAssembler({ onlyFirst: true });
      for (const { file } of instances) await assembler.add(file);
      await assembler.finish();
    };
    const whole = () => inFolder(async (folder) => {
      const datastore = await store(orthanc.url, folder);
      const time = await timed(() => datastore.image(series));
      await datastore.close();
      return time;
    });
    const slice = () => inFolder(async (folder) => {
      const datastore = await store(orthanc.url, folder);
      const time = await timed(() => datastore.partial(series, 100, folder));
      await datastore.close();
      return time;
    });
    const [bare, decoded, ours, first, memory, theirs, fetched]: number[][] = [[], [], [], [], [], [], []];
    for (let n = 0; n < runs; n++) {
      bare.push(await timed(curl));
      decoded.push(await timed(decode));
      ours.push(await whole());
      first.push(await slice());
      memory.push(await timed(() => inMemory(orthanc.url)));
      theirs.push(await timed(() => peer(orthanc.url, "ours")));
      fetched.push(await timed(() => peer(orthanc.url, "fetch")));
    }
    client.http.close();
    const base = median(bare) + median(decoded);
    const note = `200 x 512 x 512 from Orthanc on loopback, median of ${runs}`;
    return [
      { name: "series: bare curl", value: median(bare), unit: "ms", note },
      { name: "series: decoding alone", value: median(decoded), unit: "ms", note: "the same files, in memory" },
      { name: "series: volume in the cache, ready", value: median(ours), unit: "ms", note: "asked for, received, rescaled, written, sha256 of the file, metadata, in the cache" },
      { name: "series: against curl plus decoding", value: median(ours) / base, unit: "x", target: { value: 1.5, kind: "most" }, note },
      { name: "series: first slice clickable", value: median(first), unit: "ms", target: { value: 500, kind: "most" }, note: "slice 100 of 200, in its file" },
      { name: "series: volume in memory", value: median(memory), unit: "ms", note: "our client and reader alone, nothing written" },
      { name: "series: peer's way, over our HTTP", value: median(theirs), unit: "ms", note: "dicomweb-client retrieveSeries and dcmjs, slices sorted and rescaled into one array, nothing written" },
      { name: "series: peer's way, over fetch", value: median(fetched), unit: "ms", note: "the same with what Node has in place of XMLHttpRequest" },
      { name: "series: how many times faster than the peer over fetch", value: median(fetched) / median(ours), unit: "x", target: { value: 3, kind: "least" }, note: "charged to ours alone: metadata, writing, sha256, cache; to both: the pixels, sorted and rescaled" },
      { name: "series: the same, both in memory", value: median(fetched) / median(memory), unit: "x", note: "same run" },
      { name: "series: how many times faster than the peer over our HTTP", value: median(theirs) / median(ours), unit: "x", note: "ours written, hashed and in the cache; same run" },
    ];
  } finally {
    await orthanc.close();
  }
}

async function listing(): Promise<Figure[]> {
  const fake = await openFake();
  fake.many = 10_000;
  try {
    return await inFolder(async (folder) => {
      const before = process.memoryUsage().rss;
      // `start` ends with the first page.
      const datastore = await store(fake.url, folder);
      const next = await timed(() => datastore.selectSome((id) => id));
      const list = await timed(() => datastore.listImages());
      const again = await timed(() => datastore.listImages());
      const memory = (process.memoryUsage().rss - before) / 1e6;
      await datastore.close();
      const note = "10,000 studies, one series each, pages of 1000";
      return [
        { name: "archive: choosing the next sample after the first page", value: next, unit: "ms", target: { value: 300, kind: "most" }, note },
        { name: "archive: whole list after the first page", value: list, unit: "ms", target: { value: 300, kind: "most" }, note: `${note}; the archive is in the same process` },
        { name: "archive: list again", value: again, unit: "ms", note },
        { name: "archive: memory for the list", value: memory, unit: "MB", note: "growth of the resident memory, archive of the test included" },
      ];
    });
  } finally {
    await fake.close();
  }
}

export async function benchArchive(): Promise<Figure[]> {
  return [...await listing(), ...await loading()];
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) printFigures(await benchArchive());
