/** Drives a real server through a session, kills it on the way, and compares what it says with the session that nobody disturbed. */
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { holdName } from "../../src/datastore/hold.js";
import { type ServerProcess, startServerProcess } from "../../src/demo/server-process.js";
import { random } from "../../src/evaluate/bootstrap.js";
import { writeNifti } from "../../src/imaging/nifti-write.js";
import { type Action, scriptedSession, shape } from "./session.js";

const app = fileURLToPath(new URL("../../sample-apps/radiology", import.meta.url));

/** What is in force, as a client sees it: the rounds without their times, and the mask. */
export interface Shown {
  readonly rounds: string;
  readonly mask: string;
}

export interface CrashReport {
  readonly kills: number;
  /** Kills after which masks and rounds were those of the undisturbed session. */
  readonly same: number;
  /** Kills in the middle of a request: it had been done before the end, or not. */
  readonly done: number;
  readonly undone: number;
  /** Kills between two requests. */
  readonly between: number;
  /** Milliseconds from ready to the mask of before, after each restart. */
  readonly recovery: readonly number[];
  /** In words, one per kill that was not survived. */
  readonly losses: readonly string[];
}

export class CrashDriver {
  #server: ServerProcess | null = null;
  private constructor(readonly folder: string) {}

  static async open(): Promise<CrashDriver> {
    const folder = await mkdtemp(join(tmpdir(), "limnet-crash-"));
    const [ni, nj, nk] = shape;
    const noise = random(5);
    const voxels = Uint8Array.from({ length: ni * nj * nk }, (_, n) => {
      const [i, j, k] = [n % ni, Math.floor(n / ni) % nj, Math.floor(n / ni / nj)];
      const near = ((i - 24) / 14) ** 2 + ((j - 24) / 12) ** 2 + ((k - 10) / 9) ** 2 < 1;
      return (near ? 170 : 60) + 30 * (noise() - 0.5);
    });
    const volume = { voxels, shape, geometry: { affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0] }, slope: 1, intercept: 0 } as const;
    await writeNifti(volume, join(folder, "scan.nii.gz"), { gzip: true });
    return new CrashDriver(folder);
  }

  async close(): Promise<void> {
    await this.#server?.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  async start(): Promise<void> {
    this.#server = await startServerProcess(["--app", app, "--studies", this.folder, "--port", "0", "--verbose", "ERROR", "--conf", "threads", "1"], {}, 300_000);
  }

  /** SIGKILL to the very process that holds the folder: the command may have started another. */
  async kill(): Promise<void> {
    const { pid } = JSON.parse(await readFile(join(this.folder, ".limnet", holdName), "utf8")) as { pid: number };
    process.kill(pid, "SIGKILL");
    await this.#server!.close();
    this.#server = null;
  }

  async act(action: Action, label: string): Promise<void> {
    if (action.do === "click") {
      const form = new FormData();
      form.append("params", JSON.stringify({ foreground: action.foreground, background: action.background, label, result_extension: ".nii" }));
      await this.#ask(`/infer/limnet?image=scan&output=image`, form);
      return;
    }
    const { do: route, ...query } = action;
    const rest = new URLSearchParams(Object.entries(query).map(([key, value]): [string, string] => [key, String(value)]));
    await this.#ask(`/limnet/v1/${route}?image=scan&label=${label}&output=json&${rest}`, null);
  }

  async show(label: string): Promise<Shown> {
    const answer = await fetch(`${this.#server!.url}/limnet/v1/rounds?image=scan&label=${label}`);
    const told = (await answer.json()) as { rounds: { clicks: { voxel: number[]; positive: boolean }[] }[] };
    const clicks = told.rounds.flatMap((round) => round.clicks);
    const form = new FormData();
    form.append("params", JSON.stringify({
      foreground: clicks.filter(({ positive }) => positive).map(({ voxel }) => voxel), background: clicks.filter(({ positive }) => !positive).map(({ voxel }) => voxel),
      label, result_extension: ".nii",
    }));
    const mask = await this.#ask("/infer/limnet?image=scan&output=image", form);
    const rounds = JSON.stringify(told, (key, value) => (key === "seconds" || key === "label" ? undefined : value));
    return { rounds, mask: createHash("sha256").update(mask).digest("hex") };
  }

  async #ask(path: string, body: FormData | null): Promise<Buffer> {
    const answer = await fetch(`${this.#server!.url}${path}`, { method: "POST", ...(body && { body }) });
    const bytes = Buffer.from(await answer.arrayBuffer());
    if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}: ${bytes.toString("utf8", 0, 300)}`);
    return bytes;
  }
}

/** Plays sessions and kills the server at random moments until `kills` were done or `deadlineMs` is over. */
export async function crash({ kills, seed, deadlineMs = Infinity, say = () => {} }: { kills: number; seed: number; deadlineMs?: number; say?: (line: string) => void }): Promise<CrashReport> {
  const script = scriptedSession(seed);
  const driver = await CrashDriver.open();
  const next = random(seed + 1);
  const began = performance.now();
  const counts = { done: 0, undone: 0, between: 0, same: 0, kills: 0 };
  const recovery: number[] = [];
  const losses: string[] = [];
  try {
    await driver.start();
    const calm: Shown[] = [await driver.show("calm")];
    const times: number[] = [];
    for (const action of script) {
      const from = performance.now();
      await driver.act(action, "calm");
      times.push(performance.now() - from);
      calm.push(await driver.show("calm"));
    }
    const same = (a: Shown, b: Shown) => a.rounds === b.rounds && a.mask === b.mask;
    say(`undisturbed: ${script.length} actions, ${(times.reduce((sum, ms) => sum + ms, 0) / 1000).toFixed(1)} s`);
    for (let pass = 1; counts.kills < kills && performance.now() - began < deadlineMs; pass++) {
      const label = `pass${pass}`;
      for (let at = 0; at < script.length && counts.kills < kills && performance.now() - began < deadlineMs; ) {
        // One action in three is disturbed, somewhere between its start and a little after its end.
        if (next() > 0.35) {
          await driver.act(script[at++], label);
          continue;
        }
        const running = driver.act(script[at], label).then(() => true, () => false);
        // Often just when the answer is there: the state behind its mask is still on its way to the disk then.
        if (next() < 0.4) await running;
        else await sleep(next() * (times[at] * 1.3 + 20));
        await driver.kill();
        const told = await running;
        await driver.start();
        const ready = performance.now();
        const shown = await driver.show(label);
        recovery.push(performance.now() - ready);
        counts.kills++;
        const before = same(shown, calm[at]);
        const after = same(shown, calm[at + 1]);
        if (told ? after : before || after) counts.same++;
        else losses.push(`kill ${counts.kills}, ${label}, action ${at + 1} (${JSON.stringify(script[at])}), ${told ? "answered" : "not answered"}: neither the state before nor after it`);
        if (told) counts.between++;
        else if (after && !before) counts.done++;
        else counts.undone++;
        say(`kill ${counts.kills}: ${told ? "after the answer" : "during"} ${script[at].do}, ${losses.length === 0 ? "same" : "LOST"}, mask back ${Math.round(recovery.at(-1)!)} ms after ready`);
        if (after && (told || !before)) at++;
        else if (!before) break;
      }
    }
  } finally {
    await driver.close();
  }
  return { ...counts, recovery, losses };
}
