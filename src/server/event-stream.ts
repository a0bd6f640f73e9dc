/** An answer that goes on: server-sent events (HTML standard 9.2). */
import type { Response } from "express";

/** Sent when nothing else is, so that proxies keep the connection and a dead client is noticed. */
const beatMs = 15_000;
/** A client that reads nothing is let go, with this many bytes waiting. */
const maxBacklog = 8 * 2 ** 20;

export class EventStream {
  readonly #res: Response;
  #sent = 0;

  constructor(res: Response) {
    this.#res = res;
    // X-Accel-Buffering: nginx would keep the events back.
    res.writeHead(200, { "Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store", "X-Accel-Buffering": "no" });
    res.flushHeaders();
  }

  send(event: string, data: unknown): void {
    this.#write(`id: ${++this.#sent}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** Keeps the stream alive until the signal comes (the client went, the server stops), then ends it. */
  async over(signal: AbortSignal): Promise<void> {
    const beat = setInterval(() => this.#write(": still here\n\n"), beatMs);
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    clearInterval(beat);
    this.#res.end();
  }

  #write(text: string): void {
    if (this.#res.destroyed || this.#res.writableEnded) return;
    this.#res.write(text);
    if (this.#res.writableLength > maxBacklog) this.#res.destroy();
  }
}
