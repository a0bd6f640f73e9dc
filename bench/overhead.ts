/**
 * What a click costs beside the engine's computing: HTTP, journal, messages, packing, the state on disk, and the mask on its way to the
 * client. The computing (click, propagation with the random walker, fusion) is what the engine's own clock says of the rounds that it ran.
 * The client reads the socket and does nothing else: `fetch` alone would take 15 ms for 8 MB.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startServerProcess } from "../src/demo/server-process.js";
import { type Figure, median } from "./statistics.js";
import { centre, writeScan } from "./synthetic.js";

const app = fileURLToPath(new URL("../sample-apps/radiology", import.meta.url));
const rounds = 5;
/** Milliseconds from an answer to the next click: the state of the round before is packed meanwhile, as where a person clicks. */
const pace = 300;

interface Answer {
  readonly seconds: number;
  /** Of the networks, as the answer says: click, propagation and fusion of the rounds that were run. */
  readonly networks: number;
}

/** A client that costs little: what comes is read into one piece of memory, over one connection. */
class Client {
  readonly #url: URL;
  readonly #socket: Socket;
  readonly #answer = Buffer.alloc(16 << 20);
  #got = 0;
  #ended: (error?: Error) => void = () => {};

  constructor(url: string) {
    this.#url = new URL(url);
    this.#socket = connect({
      port: Number(this.#url.port), host: this.#url.hostname, noDelay: true,
      onread: { buffer: Buffer.alloc(1 << 20), callback: (bytes, piece) => this.#read(bytes, piece) },
    }).once("close", () => this.#ended(new Error("The server hung up."))).on("error", () => {});
  }

  async post(path: string, body: Buffer): Promise<{ status: number; body: Buffer }> {
    this.#got = 0;
    const whole = new Promise<void>((resolve, reject) => {
      this.#ended = (error) => (error ? reject(error) : resolve());
    });
    this.#socket.write(`POST ${path} HTTP/1.1\r\nHost: ${this.#url.host}\r\nContent-Type: multipart/form-data; boundary=limnet\r\nContent-Length: ${body.length}\r\n\r\n`);
    this.#socket.write(body);
    await whole;
    return { status: Number(this.#answer.toString("latin1", 9, 12)), body: this.#answer.subarray(this.#head(), this.#got) };
  }

  close(): void {
    this.#socket.destroy();
  }

  #head(): number {
    return this.#answer.subarray(0, Math.min(this.#got, 1 << 14)).indexOf("\r\n\r\n") + 4;
  }

  #read(bytes: number, piece: Uint8Array): boolean {
    this.#answer.set(piece.subarray(0, bytes), this.#got);
    this.#got += bytes;
    const head = this.#head();
    const length = /content-length: (\d+)/i.exec(this.#answer.toString("latin1", 0, head));
    if (head >= 4 && this.#got >= head + Number(length?.[1])) this.#ended();
    return true;
  }
}

async function ask(client: Client, params: Record<string, unknown>): Promise<Answer> {
  const text = JSON.stringify({ background: [], result_extension: ".nrrd", result_dtype: "uint8", ...params });
  const form = Buffer.from(`--limnet\r\nContent-Disposition: form-data; name="params"\r\n\r\n${text}\r\n--limnet--\r\n`);
  const from = performance.now();
  const { status, body } = await client.post("/infer/limnet?image=bench", form);
  const seconds = (performance.now() - from) / 1000;
  if (status !== 200) throw new Error(`/infer/limnet answered ${status}: ${body.toString("utf8", 0, 300)}`);
  const json = JSON.parse(body.toString("utf8", body.indexOf("\r\n\r\n") + 4, body.indexOf("\r\n--", 4))) as { limnet: { rounds: { run: boolean; seconds: number }[] } };
  return { seconds, networks: json.limnet.rounds.filter(({ run }) => run).reduce((sum, round) => sum + round.seconds, 0) };
}

/** First rounds of objects of their own, then the same clicks once more, where nothing is left to compute. */
export async function benchOverhead(): Promise<Figure[]> {
  const studies = await mkdtemp(join(tmpdir(), "limnet-bench-overhead-"));
  await writeScan(studies, "bench", 128);
  const server = await startServerProcess(["--app", app, "--studies", studies, "--port", "0", "--verbose", "ERROR"]);
  const client = new Client(server.url);
  try {
    const clicks = (n: number) => ({ foreground: [[centre.i, centre.j, 60 + n]], label: `object ${n}` });
    await ask(client, { ...clicks(0), label: "to warm up" });
    const fresh: number[] = [];
    const kept: number[] = [];
    for (let n = 0; n < rounds; n++) {
      await sleep(pace);
      const { seconds, networks } = await ask(client, clicks(n));
      fresh.push(1000 * (seconds - networks));
    }
    for (let n = 0; n < 4 * rounds; n++) kept.push(1000 * (await ask(client, clicks(n % rounds))).seconds);
    const note = "256 x 256 x 128 mask as NRRD in a multipart reply, loopback";
    return [
      { name: "/infer beside the engine's computing", value: median(fresh), unit: "ms", target: { value: 25, kind: "most" }, note: `${note}, first rounds, a click ${pace} ms after the answer before, median of ${rounds}` },
      { name: "/infer, nothing to compute", value: median(kept), unit: "ms", note: `${note}, clicks sent again, median of ${4 * rounds}` },
    ];
  } finally {
    client.close();
    await server.close();
    await rm(studies, { recursive: true, force: true });
  }
}
