/** A real Redis for tests: its own process on a free port of this machine, no configuration file, nothing on disk unless asked. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { freePort } from "../free-port.js";

export class RedisProcess {
  readonly port: number;
  readonly url: string;
  #process: ChildProcess | null = null;

  constructor(port: number) {
    this.port = port;
    this.url = `redis://127.0.0.1:${port}`;
  }

  static async start(): Promise<RedisProcess> {
    const redis = new RedisProcess(await freePort());
    await redis.start();
    return redis;
  }

  /** Starts, empty. */
  async start(): Promise<void> {
    const child = spawn("redis-server", ["--port", String(this.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"], { stdio: "ignore" });
    this.#process = child;
    let failed: Error | null = null;
    child.once("error", (error) => { failed = error; });
    for (let n = 0; n < 200; n++) {
      if (failed) throw new Error("redis-server cannot be run; `npm test` installs it", { cause: failed });
      const client = new Redis(this.url, { lazyConnect: true, retryStrategy: null });
      client.on("error", () => {});
      const answers = await client.connect().then(() => client.ping()).then(() => true, () => false);
      client.disconnect();
      if (answers) return;
      await sleep(50);
    }
    throw new Error("redis-server did not answer");
  }

  async stop(): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null || child.exitCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
}

export async function until(what: () => boolean | Promise<boolean>, sentence: string): Promise<void> {
  for (let n = 0; n < 600; n++) {
    if (await what()) return;
    await sleep(50);
  }
  throw new Error(`it never came about: ${sentence}`);
}
