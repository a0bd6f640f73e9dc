/** What a click costs beside the networks: HTTP, journal, messages, the state on disk, and the mask on its way to the client. */
import { mkdtemp, rm } from "node:fs/promises";
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

async function ask(url: string, params: Record<string, unknown>): Promise<Answer> {
  const form = new FormData();
  form.append("params", JSON.stringify({ background: [], result_extension: ".nrrd", result_dtype: "uint8", ...params }));
  const from = performance.now();
  const answer = await fetch(`${url}/infer/limnet?image=bench`, { method: "POST", body: form });
  const body = Buffer.from(await answer.arrayBuffer());
  const seconds = (performance.now() - from) / 1000;
  if (answer.status !== 200) throw new Error(`/infer/limnet answered ${answer.status}: ${body.toString("utf8", 0, 300)}`);
  const json = JSON.parse(body.toString("utf8", body.indexOf("\r\n\r\n") + 4, body.indexOf("\r\n--", 4))) as { limnet: { rounds: { run: boolean; seconds: number }[] } };
  return { seconds, networks: json.limnet.rounds.filter(({ run }) => run).reduce((sum, round) => sum + round.seconds, 0) };
}

/** First rounds of objects of their own, then the same clicks once more, where nothing is left to compute. */
export async function benchOverhead(): Promise<Figure[]> {
  const studies = await mkdtemp(join(tmpdir(), "limnet-bench-overhead-"));
  await writeScan(studies, "bench", 128);
  const server = await startServerProcess(["--app", app, "--studies", studies, "--port", "0", "--verbose", "ERROR"]);
  try {
    const clicks = (n: number) => ({ foreground: [[centre.i, centre.j, 60 + n]], label: `object ${n}` });
    await ask(server.url, { ...clicks(0), label: "to warm up" });
    const fresh: number[] = [];
    const kept: number[] = [];
    for (let n = 0; n < rounds; n++) {
      const { seconds, networks } = await ask(server.url, clicks(n));
      fresh.push(1000 * (seconds - networks));
    }
    for (let n = 0; n < 4 * rounds; n++) kept.push(1000 * (await ask(server.url, clicks(n % rounds))).seconds);
    const note = "256 x 256 x 128 mask as NRRD in a multipart reply, loopback";
    return [
      { name: "/infer beside the networks", value: median(fresh), unit: "ms", target: { value: 25, kind: "most" }, note: `${note}, first rounds, median of ${rounds}` },
      { name: "/infer, nothing to compute", value: median(kept), unit: "ms", note: `${note}, clicks sent again, median of ${4 * rounds}` },
    ];
  } finally {
    await server.close();
    await rm(studies, { recursive: true, force: true });
  }
}
