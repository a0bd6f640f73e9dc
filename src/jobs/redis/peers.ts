/** Servers on one Redis talk: published messages, and a key for what somebody looks at. */
import { randomUUID } from "node:crypto";
import type { PeerListener, Peers } from "../peers.js";
import type { RedisLink } from "./link.js";

type Message =
  | { readonly from: string; readonly type: "say"; readonly body: unknown }
  | { readonly from: string; readonly type: "ask"; readonly id: string; readonly body: unknown };
interface Reply {
  readonly id: string;
  readonly body: unknown;
}

const channel = "peers";
const watchMs = 30_000;

export class RedisPeers implements Peers {
  readonly #link: RedisLink;
  readonly #id = randomUUID().slice(0, 8);
  readonly #answerMs: number;
  readonly #questions = new Map<string, (body: unknown) => void>();
  readonly #watched = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;
  #listener: PeerListener | null = null;

  /** `answerMs`: how long the others may take to answer a question. */
  constructor(link: RedisLink, { answerMs = 7000 }: { answerMs?: number } = {}) {
    this.#link = link;
    this.#answerMs = answerMs;
    link.subscribe(channel, (message) => void this.#hear(message as Message));
    link.subscribe(`${channel}:${this.#id}`, (reply) => this.#questions.get((reply as Reply).id)?.((reply as Reply).body));
    this.#timer = setInterval(() => {
      for (const name of this.#watched.keys()) this.#mark(name);
    }, watchMs / 3);
    this.#timer.unref();
  }

  send(body: unknown): void {
    if (this.#link.ready) void this.#publish({ from: this.#id, type: "say", body });
  }

  async ask(body: unknown): Promise<unknown[]> {
    const id = randomUUID();
    const answers: unknown[] = [];
    let enough = () => {};
    const all = new Promise<void>((resolve) => {
      enough = resolve;
    });
    let others = Infinity;
    this.#questions.set(id, (answer) => {
      if (answers.push(answer) >= others) enough();
    });
    const timer = setTimeout(enough, this.#answerMs);
    // Whoever is subscribed hears it, we too.
    others = (await this.#publish({ from: this.#id, type: "ask", id, body })) - 1;
    if (answers.length >= others) enough();
    await all;
    clearTimeout(timer);
    this.#questions.delete(id);
    return answers;
  }

  listen(listener: PeerListener): void {
    this.#listener = listener;
  }

  watch(name: string): () => void {
    this.#watched.set(name, (this.#watched.get(name) ?? 0) + 1);
    this.#mark(name);
    return () => {
      const count = this.#watched.get(name)! - 1;
      if (count > 0) this.#watched.set(name, count);
      else this.#watched.delete(name);
    };
  }

  async isWatched(name: string): Promise<boolean> {
    return this.#link.ready && (await this.#link.client.exists(this.#link.key("watched", name)).catch(() => 0)) > 0;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#listener = null;
  }

  #mark(name: string): void {
    if (this.#link.ready) void this.#link.client.set(this.#link.key("watched", name), "1", "PX", watchMs).catch(() => {});
  }

  /** How many heard it; 0 where Redis is away. */
  #publish(message: Message): Promise<number> {
    return this.#link.publish(channel, message).catch(() => 0);
  }

  async #hear(message: Message): Promise<void> {
    if (message.from === this.#id || this.#listener === null) return;
    if (message.type === "say") return this.#listener.heard(message.body);
    const body = await this.#listener.asked(message.body).catch(() => null);
    await this.#link.publish(`${channel}:${message.from}`, { id: message.id, body } satisfies Reply).catch(() => 0);
  }
}
