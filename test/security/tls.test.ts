/** https spoken by the server itself, as MITK wants it, with a certificate that is made here. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { connect as connectTls } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { silentLog } from "../../src/datastore/log.js";
import { ConfigError, type ConfigInput, loadConfig } from "../../src/server/config.js";
import { checkCertificate, checkPort } from "../../src/server/doctor/machine.js";
import { type RunningServer, startServer } from "../../src/server/start.js";
import { maskTask, slicerForm, testApp, writeVolume } from "../protocol/harness.js";

let folder: string;
let cert: string;
let key: string;

/** Makes NAME.crt and NAME.key; with a password, NAME.locked.key too. */
function makePair(name: string, password?: string): [cert: string, key: string] {
  const [crt, pem] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", pem, "-out", crt], { stdio: "ignore" });
  if (password !== undefined) execFileSync("openssl", ["pkey", "-in", pem, "-aes256", "-passout", `pass:${password}`, "-out", join(folder, `${name}.locked.key`)], { stdio: "ignore" });
  return [crt, pem];
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-tls-"));
  await writeFile(join(folder, "app.json"), "{}");
  [cert, key] = makePair("server", "open sesame");
  makePair("other");
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

let runs = 0;
const start = (settings: ConfigInput): Promise<RunningServer> =>
  startServer(loadConfig({ app: folder, studies: join(folder, `scans-${++runs}`), port: 0, ...settings }, {}), silentLog, async () => testApp([], { run: maskTask }));

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: Buffer;
}

/** A request that trusts the certificate made here and nothing else. */
async function ask(url: string, form?: { type: string; body: Buffer }): Promise<Answer> {
  const ca = await readFile(cert);
  return new Promise((resolve, reject) => {
    const req = request(url, { ca, agent: false, method: form ? "POST" : "GET", headers: form ? { "content-type": form.type, "content-length": form.body.length } : {} }, (res) => {
      buffer(res).then((body) => resolve({ status: res.statusCode!, type: res.headers["content-type"] ?? "", body }), reject);
    });
    req.once("error", reject);
    req.end(form?.body);
  });
}

describe("with --ssl_certfile and --ssl_keyfile", () => {
  it("the printed address is https, /info/ answers there, and http does not", async () => {
    const server = await start({ sslCertfile: cert, sslKeyfile: key });
    try {
      expect(server.url).toBe(`https://127.0.0.1:${server.port}`);
      const info = await ask(`${server.url}/info/`);
      expect(info.status).toBe(200);
      expect(JSON.parse(info.body.toString())).toMatchObject({ name: "test app", models: { limnet: { type: "deepgrow" } } });
      await expect(fetch(`http://127.0.0.1:${server.port}/info/`)).rejects.toThrow();
      expect((await ask(`${server.url}/info/`)).status).toBe(200);
    } finally {
      await server.close();
    }
  });

  it("a click of MITK, image and all, is answered with numbers and a mask", async () => {
    const server = await start({ sslCertfile: cert, sslKeyfile: key });
    try {
      const scan = join(folder, "scan.nii.gz");
      await writeVolume(scan);
      const params = JSON.stringify({ foreground: [[1, 1, 1]], background: [], reset_state: true });
      const answer = await ask(`${server.url}/infer/limnet`, slicerForm({ params }, { file: { name: "scan.nii.gz", bytes: await readFile(scan) } }));
      expect(answer.status).toBe(200);
      expect(answer.type).toMatch(/^multipart\/form-data; boundary=[^;"]+$/);
      expect(answer.body.toString("latin1")).toContain("Content-Type: application/json");
      // The mask is the file that the quick model wrote.
      expect(answer.body.includes(await readFile(scan))).toBe(true);
    } finally {
      await server.close();
    }
  });

  it.each([["one file that holds both", false], ["a key with a password", true]])("%s will do", async (_what, locked) => {
    const both = join(folder, "both.pem");
    await writeFile(both, Buffer.concat([await readFile(cert), await readFile(key)]));
    const server = await start(locked ? { sslCertfile: cert, sslKeyfile: join(folder, "server.locked.key"), sslKeyfilePassword: "open sesame" } : { sslCertfile: both });
    try {
      expect((await ask(`${server.url}/healthz`)).status).toBe(200);
    } finally {
      await server.close();
    }
  });

  it("the limits hold: large headers are a 431, slow ones a 408, who never finishes the handshake is let go", async () => {
    const server = await start({ sslCertfile: cert, sslKeyfile: key, maxHeaderBytes: 2000, headersSeconds: 1 });
    try {
      const send = async (text: string) => {
        const socket = connectTls({ port: server.port, host: "127.0.0.1", ca: await readFile(cert) });
        socket.write(text);
        return (await buffer(socket)).toString();
      };
      expect(await send(`GET /info/ HTTP/1.1\r\nHost: x\r\nX-Long: ${"x".repeat(3000)}\r\n\r\n`)).toMatch(/^HTTP\/1.1 431 /);
      expect(await send("GET /info/ HTTP/1.1\r\nHost: x\r\n")).toMatch(/^HTTP\/1.1 408 /);
      const silent = connect(server.port, "127.0.0.1").resume().on("error", () => {});
      await once(silent, "close");
    } finally {
      await server.close();
    }
  }, 60_000);

  it("stops although somebody is in the middle of a handshake", async () => {
    const server = await start({ sslCertfile: cert, sslKeyfile: key, headersSeconds: 600, stopSeconds: 0 });
    const silent = connect(server.port, "127.0.0.1").resume().on("error", () => {});
    await once(silent, "connect");
    const gone = once(silent, "close");
    expect((await ask(`${server.url}/healthz`)).status).toBe(200);
    await server.close();
    await gone;
  }, 60_000);
});

describe("limnet doctor", () => {
  it("judges the files, and knows a limnet that speaks https when the port is taken by one", async () => {
    expect(await checkCertificate({ sslCertfile: cert, sslKeyfile: key })).toMatchObject({ state: "ok" });
    expect(await checkCertificate({ sslCertfile: cert, sslKeyfile: join(folder, "other.key") })).toMatchObject({ state: "problem", remedy: expect.stringMatching(/does not belong/) });
    const server = await start({ sslCertfile: cert, sslKeyfile: key });
    try {
      expect(await checkPort("127.0.0.1", server.port)).toMatchObject({ state: "warning", found: expect.stringMatching(/answers like limnet/) });
    } finally {
      await server.close();
    }
  });
});

describe("refused at the start, in words", () => {
  const inFolder = (name: string) => join(folder, name);

  it.each<[string, () => ConfigInput, RegExp]>([
    ["a file that is not there", () => ({ sslCertfile: join(folder, "nowhere.crt"), sslKeyfile: key }), /nowhere\.crt of --ssl_certfile does not exist/],
    ["a key that is not there", () => ({ sslCertfile: cert, sslKeyfile: join(folder, "nowhere.key") }), /nowhere\.key of --ssl_keyfile does not exist/],
    ["a folder", () => ({ sslCertfile: folder, sslKeyfile: key }), /--ssl_certfile is a folder/],
    ["a key without its certificate", () => ({ sslKeyfile: key }), /name the file of its certificate with --ssl_certfile/],
    ["a certificate without its key", () => ({ sslCertfile: cert }), /name the file of the key with --ssl_keyfile.* holds no private key/],
    ["both the wrong way round", () => ({ sslCertfile: key, sslKeyfile: cert }), /holds no certificate in PEM form/],
    ["the key of another certificate", () => ({ sslCertfile: cert, sslKeyfile: inFolder("other.key") }), /does not belong to the certificate/],
    ["a locked key without its password", () => ({ sslCertfile: cert, sslKeyfile: inFolder("server.locked.key") }), /is encrypted\. Give its password with LIMNET_SSL_KEYFILE_PASSWORD/],
    ["a wrong password", () => ({ sslCertfile: cert, sslKeyfile: inFolder("server.locked.key"), sslKeyfilePassword: "no" }), /The password does not open the private key/],
  ])("%s", async (_what, settings, sentence) => {
    const failed = await start(settings()).then((server) => server.close(), (error: Error) => error);
    expect(failed).toBeInstanceOf(ConfigError);
    expect((failed as Error).message).toMatch(sentence);
    // A password is never said again.
    expect((failed as Error).message).not.toContain("sesame");
  });
});
