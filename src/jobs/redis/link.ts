/** Two connections to Redis, as all parts of this folder share them: one for commands, one that listens. Both come back by themselves. */
import { Redis } from "ioredis";
import { LimnetError } from "../../errors.js";

/** A winston logger fits. */
export interface LinkLog {
  info(message: string, meta?: Record<string, unknown>): unknown;
  warn(message: string, meta?: Record<string, unknown>): unknown;
}

export interface LinkOptions {
  /** redis://user:password@host:port/db, or rediss:// */
  readonly url: string;
  /** In front of all keys: who has another one does not meet us. */
  readonly space: string;
  readonly log?: LinkLog;
}

/** No password in logs and sentences. */
export function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, "//…@");
}

export class RedisLink {
  readonly client: Redis;
  readonly space: string;
  readonly #subscriber: Redis;
  readonly #listeners = new Map<string, (message: unknown) => void>();
  readonly #onReady: (() => void)[] = [];
  readonly #onGone: (() => void)[] = [];
  #closed = false;
  #wasReady = false;

  constructor({ url, space, log }: LinkOptions) {
    this.space = space;
    const shared = {
      connectTimeout: 5000, retryStrategy: (times: number) => Math.min(100 * times, 2000), enableReadyCheck: false, lazyConnect: true,
    };
    // A command fails at once while there is no connection, and when no answer comes: nobody may wait for ever.
    this.client = new Redis(url, { ...shared, maxRetriesPerRequest: 0, enableOfflineQueue: false, commandTimeout: 5000 });
    this.#subscriber = new Redis(url, { ...shared, maxRetriesPerRequest: null });
    let told = false;
    this.client.on("ready", () => {
      if (this.#wasReady || told) log?.info("Redis is back", { redis: withoutPassword(url) });
      this.#wasReady = true;
      told = false;
      for (const listener of this.#onReady) listener();
    });
    this.client.on("close", () => {
      if (this.#closed) return;
      if (!told) log?.warn("Redis cannot be reached; clicks are refused until it is back", { redis: withoutPassword(url) });
      told = true;
      for (const listener of this.#onGone) listener();
    });
    // Errors show as "close"; without listeners they would end the process.
    this.client.on("error", () => {});
    this.#subscriber.on("error", () => {});
    this.#subscriber.on("message", (channel: string, text: string) => this.#receive(channel, text));
  }

  /** Begins to connect; resolves after the first attempt, whatever came of it. */
  async start(): Promise<void> {
    const first = new Promise<void>((resolve) => {
      this.client.once("ready", resolve);
      this.client.once("close", resolve);
    });
    void this.client.connect().catch(() => {});
    void this.#subscriber.connect().catch(() => {});
    await first;
  }

  get ready(): boolean {
    return this.client.status === "ready";
  }

  /** After every connection that came about, and after every loss. */
  onReady(listener: () => void): void {
    this.#onReady.push(listener);
  }

  onGone(listener: () => void): void {
    this.#onGone.push(listener);
  }

  key(...parts: string[]): string {
    return [this.space, ...parts].join(":");
  }

  /** Messages get lost where nobody is connected: what must arrive is written under a key too. Answers how many heard it. */
  publish(channel: string, message: unknown): Promise<number> {
    return this.client.publish(this.key(channel), JSON.stringify(message));
  }

  subscribe(channel: string, listener: (message: unknown) => void): void {
    this.#listeners.set(this.key(channel), listener);
    void this.#subscriber.subscribe(this.key(channel)).catch(() => {});
  }

  close(): void {
    this.#closed = true;
    this.client.disconnect();
    this.#subscriber.disconnect();
  }

  #receive(channel: string, text: string): void {
    try {
      this.#listeners.get(channel)?.(JSON.parse(text));
    } catch {
      // Not ours.
    }
  }
}

export function gone(cause?: unknown): LimnetError {
  return new LimnetError("queue_gone", "The queue cannot be reached (Redis is down or restarting), so nothing is computed now. Images and labels are served; send the clicks again in a moment, finished rounds are kept.", { cause, retryAfter: 5 });
}
