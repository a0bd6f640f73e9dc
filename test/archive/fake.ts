/** A DICOMweb archive that behaves as badly as it is told to. Holds one series, and what is stored. */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { fileMeta } from "../../src/dicomweb/part10.js";
import { splitRelated } from "../../src/dicomweb/multipart.js";
import { ctSeries, series, study, type TestInstance } from "./series.js";

export type Mischief =
  | "none" | "slow" | "very slow" | "silent" | "cut" | "reset" | "html" | "html in the middle" | "wrong type" | "twice" | "one missing" | "one gone" | "other order"
  | "syntax of its own" | "12-bit JPEG" | "stores nothing" | "refuses" | "401 in the middle" | "redirects away" | "down";

export interface FakeArchive {
  readonly url: string;
  readonly instances: readonly TestInstance[];
  /** Labels that were stored, by SOP Instance UID. */
  readonly stored: Map<string, Buffer>;
  /** "METHOD path" of every request, its Authorization header and all others. */
  readonly requests: { readonly line: string; readonly authorization: string | undefined; readonly headers: IncomingHttpHeaders }[];
  mischief: Mischief;
  /** Answers with this many synthetic series instead of its own. */
  many: number;
  /** Refuses every other token or password, where one is set. */
  authorization: string | null;
  /** A segmentation of another program, which names images but not their series. */
  segmentation: { readonly series: string; readonly file: Buffer } | null;
  /** Answers with all instances of the series that were sent to their end. */
  wholes: number;
  /** Requests that came to another host: where it redirects to, and where its BulkDataURIs point. */
  readonly elsewhere: string[];
  close(): Promise<void>;
}

export async function openFake(instances = ctSeries()): Promise<FakeArchive> {
  const fake = { instances, stored: new Map<string, Buffer>(), requests: [] as FakeArchive["requests"], mischief: "none" as Mischief, many: 0, authorization: null as string | null, segmentation: null as FakeArchive["segmentation"], wholes: 0, elsewhere: [] as string[], trap: "" };
  const trap = createServer((req, res) => {
    fake.elsewhere.push(`${req.url} ${req.headers.authorization ?? ""}`);
    res.end("[]");
  });
  fake.trap = await listen(trap);
  const server = createServer((req, res) => {
    fake.requests.push({ line: `${req.method} ${req.url}`, authorization: req.headers.authorization, headers: req.headers });
    answer(fake, req, res).catch(() => res.destroy());
  });
  const url = `${await listen(server)}/dicom-web`;
  const close = (one: Server) => new Promise<void>((resolve) => { one.close(() => resolve()); one.closeAllConnections(); });
  return Object.assign(fake, { url, close: async () => { await close(server); await close(trap); } });
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

type State = Pick<FakeArchive, "instances" | "stored" | "mischief" | "many" | "authorization" | "segmentation" | "wholes"> & { readonly trap: string };

async function answer(fake: State, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(req.url!, "http://here");
  const path = pathname.replace("/dicom-web/", "");
  if (fake.mischief === "down") return void req.socket.destroy();
  if (fake.mischief === "html") return void res.setHeader("Content-Type", "text/html").end("<html>please log in</html>");
  if (fake.mischief === "redirects away") return void res.writeHead(302, { Location: `${fake.trap}/dicom-web/` }).end();
  if (fake.authorization !== null && req.headers.authorization !== fake.authorization) return void res.writeHead(401).end();
  if (req.method === "POST") return store(fake, req, res);
  if (path === "series") return json(res, list(fake, searchParams));
  if (fake.segmentation && path.includes(`/series/${fake.segmentation.series}`)) return segmentation(fake.segmentation, path, fake.instances[0].uid, res);
  if (/^studies\/[0-9.]+\/instances$/.test(path)) {
    const found = fake.instances.filter(({ uid }) => uid === searchParams.get("SOPInstanceUID"));
    return json(res, found.map(({ uid }) => ({ "00080018": { vr: "UI", Value: [uid] }, "0020000E": { vr: "UI", Value: [series] } })));
  }
  if (path.endsWith("/metadata")) return json(res, fake.instances.map((one) => ({ ...one.json, "7FE00010": { vr: "OW", BulkDataURI: `${fake.trap}/bulk/${one.uid}` } })));
  const [, , , ofSeries, last, instance] = path.split("/");
  if (last === "instances" && instance === undefined) {
    const wanted = searchParams.get("SOPInstanceUID") ?? "";
    return json(res, fake.stored.has(wanted) ? [{ "00080018": { vr: "UI", Value: [wanted] } }] : []);
  }
  if (instance !== undefined) {
    const found = fake.instances.find(({ uid }) => uid === instance);
    const kept = found && inSyntaxOf(fake.mischief, found.file);
    const transcoded = String(req.headers.accept).includes("transfer-syntax=1.2.840.10008.1.2.1");
    if (kept && !transcoded) return multipart(res, [kept], "none");
    const gone = fake.mischief === "one gone" && instance === fake.instances[2].uid;
    return found && !gone ? multipart(res, [found.file], "none") : void res.writeHead(404).end();
  }
  if (ofSeries === series) return whole(fake, res);
  res.writeHead(404).end();
}

function segmentation({ file }: { readonly file: Buffer }, path: string, image: string, res: ServerResponse): Promise<void> | void {
  if (!path.endsWith("/metadata")) return multipart(res, [file], "none");
  const sequence = (...Value: unknown[]) => ({ vr: "SQ", Value });
  const source = { "00081155": { vr: "UI", Value: [image] } };
  json(res, [{ "00080018": { vr: "UI", Value: [fileMeta(file)!.sopInstance] }, "52009230": sequence({ "00089124": sequence({ "00082112": sequence(source) }) }) }]);
}

async function whole(fake: State, res: ServerResponse): Promise<void> {
  const { instances, mischief } = fake;
  const files = instances.map(({ file }, n) => (n === 2 ? inSyntaxOf(mischief, file) : undefined) ?? file);
  if (mischief === "401 in the middle") return void res.writeHead(401).end();
  if (mischief === "wrong type") return void res.setHeader("Content-Type", "application/octet-stream").end("nothing of use");
  if (mischief === "html in the middle") return void res.setHeader("Content-Type", "text/html").end("<html>please log in</html>");
  if (mischief === "silent") return;
  if (mischief === "twice") files.splice(2, 0, files[1], files[0]);
  if (mischief === "one missing" || mischief === "one gone") files.splice(2, 1);
  if (mischief === "other order") files.reverse();
  await multipart(res, files, mischief);
  fake.wholes++;
}

/** The file as the archive keeps it: in a transfer syntax that is not read here. Undefined where it keeps it plain. */
function inSyntaxOf(mischief: Mischief, file: Buffer): Buffer | undefined {
  if (mischief === "syntax of its own") return withSyntax(file, "1.2.840.10008.1.2.99");
  if (mischief !== "12-bit JPEG") return undefined;
  const pixels = file.lastIndexOf(Buffer.from([0xe0, 0x7f, 0x10, 0x00]));
  // Start, a frame header of the extended process (12 bits, 16 x 16, one component), end: enough to see that it is not decoded here.
  const jpeg = Buffer.from([0xff, 0xd8, 0xff, 0xc1, 0, 11, 12, 0, 16, 0, 16, 1, 1, 0x11, 0, 0xff, 0xd9, 0]);
  const item = (content: Buffer) => Buffer.concat([Buffer.from([0xfe, 0xff, 0x00, 0xe0, content.length, 0, 0, 0]), content]);
  const encapsulated = [Buffer.from([0xe0, 0x7f, 0x10, 0x00, 0x4f, 0x42, 0, 0, 0xff, 0xff, 0xff, 0xff]), item(Buffer.alloc(0)), item(jpeg), Buffer.from([0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0])];
  return Buffer.concat([withSyntax(file.subarray(0, pixels), "1.2.840.10008.1.2.4.51"), ...encapsulated]);
}

/** The same data set under another transfer syntax: (0002,0010), whose length is even, and the length of its group. */
function withSyntax(file: Buffer, syntax: string): Buffer {
  const at = file.indexOf(Buffer.from([0x02, 0x00, 0x10, 0x00, 0x55, 0x49]));
  const length = file.readUInt16LE(at + 6);
  const name = Buffer.from(syntax.length % 2 === 0 ? syntax : `${syntax}\0`);
  const changed = Buffer.concat([file.subarray(0, at + 8), name, file.subarray(at + 8 + length)]);
  changed.writeUInt16LE(name.length, at + 6);
  const group = file.indexOf(Buffer.from([0x02, 0x00, 0x00, 0x00, 0x55, 0x4c])) + 8;
  changed.writeUInt32LE(file.readUInt32LE(group) + name.length - length, group);
  return changed;
}

async function multipart(res: ServerResponse, files: readonly Buffer[], mischief: Mischief): Promise<void> {
  res.setHeader("Content-Type", 'multipart/related; type="application/dicom"; boundary=b-1');
  for (const [n, file] of files.entries()) {
    if (mischief === "slow" || mischief === "very slow") await delay(mischief === "slow" ? 120 : 2000);
    if (n === 3 && mischief === "cut") return void res.end(file.subarray(0, 100));
    if (n === 3 && mischief === "reset") return void res.socket?.resetAndDestroy();
    res.write(`\r\n--b-1\r\nContent-Type: application/dicom\r\nContent-Length: ${file.length}\r\n\r\n`);
    res.write(file);
    await delay(2);
  }
  res.end("\r\n--b-1--\r\n");
}

async function store(fake: State, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const boundary = /boundary="?([^";]+)/.exec(req.headers["content-type"] ?? "")![1];
  const referenced: unknown[] = [];
  for await (const { body } of splitRelated(req, boundary, { maxPartBytes: 1e8, maxParts: 1000, maxTotalBytes: 1e9 })) {
    const { sopClass, sopInstance } = fileMeta(body)!;
    if (fake.mischief !== "stores nothing" && fake.mischief !== "refuses") fake.stored.set(sopInstance, body);
    referenced.push({ "00081150": { vr: "UI", Value: [sopClass] }, "00081155": { vr: "UI", Value: [sopInstance] }, ...(fake.mischief === "refuses" && { "00081197": { vr: "US", Value: [0x0122] } }) });
  }
  if (fake.mischief === "refuses") res.statusCode = 409;
  json(res, { [fake.mischief === "refuses" ? "00081198" : "00081199"]: { vr: "SQ", Value: referenced } });
}

function list(fake: State, query: URLSearchParams): unknown[] {
  const modality = query.get("Modality");
  const wanted = query.get("SeriesInstanceUID");
  const row = (uid: string, ofStudy: string, kind: string, instances: number) => ({
    "00080060": { vr: "CS", Value: [kind] }, "0020000D": { vr: "UI", Value: [ofStudy] }, "0020000E": { vr: "UI", Value: [uid] },
    "00100020": { vr: "LO", Value: ["T1"] }, "00080020": { vr: "DA", Value: ["20260102"] }, "00201209": { vr: "IS", Value: [instances] },
  });
  if (fake.segmentation && (modality === "SEG" || wanted === fake.segmentation.series)) return [row(fake.segmentation.series, study, "SEG", 1)];
  const offset = Number(query.get("offset") ?? 0);
  const limit = Number(query.get("limit") ?? 1e9);
  // Filtered before anything is made, so that a large list costs the test's own thread little.
  if (fake.many > 0 && modality && modality !== "CT") return [];
  const all = fake.many > 0 && !wanted
    ? Array.from({ length: Math.max(0, Math.min(limit, fake.many - offset)) }, (_, n) => offset + n).map((n) => row(`1.2.3.${n + 1}.1`, `1.2.3.${n + 1}`, "CT", 100))
    : [];
  if (all.length > 0) return all;
  const own = fake.many > 0
    ? Array.from({ length: fake.many }, (_, n) => row(`1.2.3.${n + 1}.1`, `1.2.3.${n + 1}`, "CT", 100))
    : [row(series, study, "CT", fake.instances.length)];
  return own.filter((one) => (!modality || modality === "CT") && (!wanted || one["0020000E"].Value[0] === wanted)).slice(offset, offset + limit);
}

function json(res: ServerResponse, body: unknown): void {
  res.setHeader("Content-Type", "application/dicom+json");
  res.end(JSON.stringify(body));
}
