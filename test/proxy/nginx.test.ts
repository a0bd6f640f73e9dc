/** limnet behind a real nginx that is set up as docs/reverse-proxy.md says. */
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addToken } from "../../src/server/auth/tokens.js";
import { HistoryLab, shape } from "../limnet/lab.js";
import { hasNginx, type Nginx, startNginx } from "./nginx.js";

const maxUploadBytes = 48 << 20;
let folder: string;
let token: string;
let lab: HistoryLab;
let prefixed: HistoryLab;
/** The same login, without LIMNET_TRUST_PROXY. */
let distrustful: HistoryLab;
let nginx: Nginx;
let beside: Nginx;

const portOf = ({ url }: HistoryLab) => Number(new URL(url).port);
beforeAll(async () => {
  if (!hasNginx) return;
  folder = await mkdtemp(join(tmpdir(), "limnet-proxy-"));
  const tokens = join(folder, "tokens.json");
  token = await addToken(tokens, "jane", ["annotator"]);
  const settings = { auth: true, tokens, trustProxy: 1, maxUploadBytes, failedLogins: 3 };
  lab = await HistoryLab.open({ settings });
  prefixed = await HistoryLab.open({ settings: { ...settings, prefix: "/segment" } });
  distrustful = await HistoryLab.open({ settings: { ...settings, trustProxy: 0 } });
  nginx = await startNginx(portOf(lab), portOf(prefixed));
  beside = await startNginx(portOf(distrustful), portOf(prefixed));
}, 120_000);
afterAll(async () => {
  for (const one of [nginx, beside, lab, prefixed, distrustful]) await one?.close();
  if (folder) await rm(folder, { recursive: true, force: true });
}, 60_000);

interface Asked {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: Readable | string;
  readonly through?: Nginx;
}

/** Headers of the answer have come; its body may still be on the way. */
function open(path: string, { method = "GET", headers = {}, body, through = nginx }: Asked = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const req = request(`https://127.0.0.1:${through.port}${path}`, { method, headers: { ...(!headers.Cookie && { Authorization: `Bearer ${token}` }), ...headers }, ca: through.ca, agent: false }, resolve);
    req.once("error", reject);
    if (body instanceof Readable) body.pipe(req);
    else req.end(body);
  });
}

async function ask(path: string, asked: Asked = {}): Promise<{ status: number; headers: IncomingHttpHeaders; body: Buffer }> {
  const answer = await open(path, asked);
  return { status: answer.statusCode!, headers: answer.headers, body: await buffer(answer) };
}

/** Resolves when limnet has a part of an upload. */
async function begun(): Promise<void> {
  for (let n = 0; n < 600; n++) {
    const names = await readdir(join(lab.folder, ".limnet", "tmp"), { recursive: true }).catch(() => []);
    if (names.some((name) => /upload-/.test(name))) return;
    await delay(50);
  }
  throw new Error("Nothing of the upload has reached limnet.");
}

/** A form with an image of so many random slices, made while it is sent; `halfway` is waited for in the middle. */
function upload(slices: number, halfway: () => Promise<void>): { headers: Record<string, string>; body: Readable; size: number; digest: () => string } {
  const header = Buffer.from(["NRRD0004", "type: uchar", "dimension: 3", "space: left-posterior-superior", `sizes: 512 512 ${slices}`,
    "space directions: (1,0,0) (0,1,0) (0,0,1)", "space origin: (0,0,0)", "encoding: raw", "", ""].join("\n"));
  const bytes = 512 * 512 * slices;
  const hash = createHash("sha256").update(header);
  const head = Buffer.concat([Buffer.from('--limnet\r\nContent-Disposition: form-data; name="file"; filename="big.nrrd"\r\n\r\n'), header]);
  const tail = Buffer.from("\r\n--limnet--\r\n");
  async function* pieces() {
    yield head;
    for (let left = bytes; left > 0; ) {
      const piece = randomBytes(Math.min(left, 1 << 20));
      hash.update(piece);
      if (left > bytes / 2 && left - piece.length <= bytes / 2) await halfway();
      left -= piece.length;
      yield piece;
    }
    yield tail;
  }
  return {
    headers: { "Content-Type": "multipart/form-data; boundary=limnet", "Content-Length": String(head.length + bytes + tail.length) },
    body: Readable.from(pieces(), { objectMode: false }), size: header.length + bytes, digest: () => hash.digest("hex"),
  };
}

function infer(path: string): Promise<{ status: number; headers: IncomingHttpHeaders; body: Buffer }> {
  const params = JSON.stringify({ foreground: [[1, 2, 3]], label: "tumour", result_extension: ".nrrd" });
  const body = `--limnet\r\nContent-Disposition: form-data; name="params"\r\n\r\n${params}\r\n--limnet--\r\n`;
  return ask(path, { method: "POST", headers: { "Content-Type": "multipart/form-data; boundary=limnet" }, body });
}

const logIn = (password: string, through: Nginx, headers: Record<string, string> = {}) => ask("/login", {
  method: "POST", through, body: new URLSearchParams({ username: "jane", password }).toString(),
  headers: { "Content-Type": "application/x-www-form-urlencoded", Accept: "text/html", Origin: `https://127.0.0.1:${through.port}`, ...headers },
});

describe.skipIf(!hasNginx)("behind nginx", () => {
  it("a large upload arrives whole, and its beginning before its end is sent", async () => {
    const { headers, body, size, digest } = upload(160, begun);
    const answer = await ask("/datastore/?image=big", { method: "PUT", headers, body });
    expect([answer.status, answer.body.toString()]).toEqual([200, expect.stringContaining("big")]);
    const [name] = (await readdir(lab.folder)).filter((one) => one.startsWith("big"));
    expect((await stat(join(lab.folder, name))).size).toBe(size);
    expect(createHash("sha256").update(await readFile(join(lab.folder, name))).digest("hex")).toBe(digest());
  });

  it("an upload beyond the limit of limnet is refused in limnet's words", async () => {
    const answer = await ask("/datastore/?image=more", { method: "PUT", headers: { "Content-Type": "multipart/form-data; boundary=limnet", "Content-Length": String(maxUploadBytes * 4) } });
    expect([answer.status, JSON.parse(answer.body.toString())]).toEqual([413, { detail: expect.stringContaining("LIMNET_MAX_UPLOAD_BYTES") }]);
  });

  it("the mask of a click comes with its length, as clients that read the socket need it", async () => {
    const { status, headers, body } = await infer("/infer/limnet?image=scan");
    expect([status, headers["content-encoding"], headers["transfer-encoding"]]).toEqual([200, undefined, undefined]);
    expect(headers["content-length"]).toBe(String(body.length));
    expect(body.length).toBeGreaterThan(shape[0] * shape[1] * shape[2]);
    expect(body.toString("latin1")).toContain("NRRD0004");
  });

  it("events arrive while the click that they tell of is still at work", async () => {
    const stream = await open("/limnet/v1/events?image=scan&label=tumour");
    expect([stream.statusCode, stream.headers["content-type"]]).toEqual([200, expect.stringContaining("text/event-stream")]);
    let heard = "";
    stream.setEncoding("utf8").on("data", (text: string) => {
      heard += text;
    });
    const until = async (what: string) => {
      for (let n = 0; n < 600 && !heard.includes(what); n++) await delay(50);
      expect(heard).toContain(what);
    };
    await until("event: state");
    let finish = () => {};
    const held = new Promise<void>((resolve) => {
      finish = resolve;
    });
    lab.engine.before = () => held;
    const params = JSON.stringify({ foreground: [[4, 4, 4]], label: "tumour", result_extension: ".nrrd" });
    const clicked = ask("/infer/limnet?image=scan", { method: "POST", headers: { "Content-Type": "application/x-www-form-urlencoded" }, body: new URLSearchParams({ params }).toString() });
    // The engine stands still until this has come through.
    await until("event: queued");
    finish();
    expect((await clicked).status).toBe(200);
    await until("event: round");
    stream.destroy();
  });

  it("the login cookie of a browser is Secure, and logs it in", async () => {
    const { status, headers } = await logIn(token, nginx);
    expect(status).toBe(303);
    const [cookie] = headers["set-cookie"]!;
    expect(cookie).toMatch(/; Secure$/);
    expect((await ask("/info/", { headers: { Cookie: cookie.split(";")[0] } })).status).toBe(200);
    expect((await ask("/info/", { headers: { Cookie: "limnet_login=other" } })).status).toBe(401);
  });

  it("whoever guesses passwords is stopped, whatever address they claim to come from", async () => {
    const claims = (n: number) => ({ "X-Forwarded-For": `198.51.100.${n}`, Forwarded: `for=198.51.100.${n};proto=http` });
    const statuses = [];
    for (let n = 0; n < 5; n++) statuses.push((await logIn("wrong", nginx, claims(n))).status);
    expect(statuses).toEqual([401, 401, 401, 429, 429]);
  });

  it("answers under a path, too", async () => {
    expect((await ask("/segment/info/")).status).toBe(200);
    const { status, headers, body } = await infer("/segment/infer/limnet?image=scan");
    expect([status, headers["content-length"]]).toEqual([200, String(body.length)]);
  });
});

describe.skipIf(!hasNginx)("without LIMNET_TRUST_PROXY", () => {
  it("what is said of https and of addresses means nothing", async () => {
    expect((await logIn(token, beside)).headers["set-cookie"]![0]).not.toContain("Secure");
    const direct = (n: number) => fetch(`${distrustful.url}/auth/token`, {
      method: "POST", headers: { "X-Forwarded-For": `198.51.100.${n}`, Forwarded: `for=198.51.100.${n}` }, body: new URLSearchParams({ username: "jane", password: "wrong" }),
    });
    const statuses = [];
    for (let n = 0; n < 5; n++) statuses.push((await direct(n)).status);
    expect(statuses).toEqual([401, 401, 401, 429, 429]);
  });
});
