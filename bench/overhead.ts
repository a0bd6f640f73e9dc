/**
 * What a click costs beside the engine's computing: HTTP, journal, messages, packing, the state on disk, and the mask on its way to the
 * client. The computing (click, propagation with the random walker, fusion) is what the engine's own clock says of the rounds that it ran.
 * The client reads the socket and does nothing else: `fetch` alone would take 15 ms for 8 MB.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startServerProcess } from "../src/demo/server-process.js";
import { type Figure, median } from "./statistics.js";
import { centre, writeScan } from "./synthetic.js";

const app = fileURLToPath(new URL("../sample-apps/radiology", import.meta.url));
const rounds = 5;

interface Answer {
  readonly seconds: number;
  /** Of the networks, as the answer says: click, propagation and fusion of the rounds that were run. */
  readonly networks: number;
}

function post(url: string, agent: Agent, body: Buffer): Promise<{ status: number; pieces: Buffer[] }> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "multipart/form-data; boundary=limnet", "content-length": body.length };
    request(url, { method: "POST", agent, headers }, (answer) => {
      const pieces: Buffer[] = [];
      answer.on("data", (piece: Buffer) => pieces.push(piece)).once("error", reject).once("end", () => resolve({ status: answer.statusCode ?? 0, pieces }));
    }).once("error", reject).end(body);
  });
}

async function ask(url: string, agent: Agent, params: Record<string, unknown>): Promise<Answer> {
  const text = JSON.stringify({ background: [], result_extension: ".nrrd", result_dtype: "uint8", ...params });
  const form = Buffer.from(`--limnet\r\nContent-Disposition: form-data; name="params"\r\n\r\n${text}\r\n--limnet--\r\n`);
  const from = performance.now();
  const { status, pieces } = await post(`${url}/infer/limnet?image=bench`, agent, form);
  const seconds = (performance.now() - from) / 1000;
  const body = Buffer.concat(pieces);
  if (status !== 200) throw new Error(`/infer/limnet answered ${status}: ${body.toString("utf8", 0, 300)}`);
  const json = JSON.parse(body.toString("utf8", body.indexOf("\r\n\r\n") + 4, body.indexOf("\r\n--", 4))) as { limnet: { rounds: { run: boolean; seconds: number }[] } };
  return { seconds, networks: json.limnet.rounds.filter(({ run }) => run).reduce((sum, round) => sum + round.seconds, 0) };
}

/** First rounds of objects of their own, then the same clicks once more, where nothing is left to compute. */
export async function benchOverhead(): Promise<Figure[]> {
  const studies = await mkdtemp(join(tmpdir(), "limnet-bench-overhead-"));
  await writeScan(studies, "bench", 128);
  const server = await startServerProcess(["--app", app, "--studies", studies, "--port", "0", "--verbose", "ERROR"]);
  const agent = new Agent({ keepAlive: true });
  try {
    const clicks = (n: number) => ({ foreground: [[centre.i, centre.j, 60 + n]], label: `object ${n}` });
    await ask(server.url, agent, { ...clicks(0), label: "to warm up" });
    const fresh: number[] = [];
    const kept: number[] = [];
    for (let n = 0; n < rounds; n++) {
      const { seconds, networks } = await ask(server.url, agent, clicks(n));
      fresh.push(1000 * (seconds - networks));
    }
    for (let n = 0; n < 4 * rounds; n++) kept.push(1000 * (await ask(server.url, agent, clicks(n % rounds))).seconds);
    const note = "256 x 256 x 128 mask as NRRD in a multipart reply, loopback";
    return [
      { name: "/infer beside the engine's computing", value: median(fresh), unit: "ms", target: { value: 25, kind: "most" }, note: `${note}, first rounds, median of ${rounds}` },
      { name: "/infer, nothing to compute", value: median(kept), unit: "ms", note: `${note}, clicks sent again, median of ${4 * rounds}` },
    ];
  } finally {
    agent.destroy();
    await server.close();
    await rm(studies, { recursive: true, force: true });
  }
}
