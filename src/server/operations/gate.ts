/** The way in, which closes before the house does: who is inside may finish for a while, nobody new comes in. */
import type { RequestHandler, Response } from "express";
import { closing } from "../../jobs/local.js";

export class Gate {
  readonly #closing = new AbortController();
  readonly #inside = new Set<Response>();
  #empty: (() => void) | null = null;

  /** Aborted as soon as it closes. Streams that have no end of their own leave then. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  pass(): RequestHandler {
    return (req, res, next) => {
      if (this.#closing.signal.aborted) {
        res.setHeader("Connection", "close");
        // Whether we live may still be asked.
        if (!/\/(healthz|readyz|metrics)$/.test(req.path)) throw closing();
      }
      this.#inside.add(res);
      res.once("close", () => {
        this.#inside.delete(res);
        this.#look();
      });
      next();
    };
  }

  /** Lets nobody new in, and resolves when those inside are done, or when their time is over. */
  async close(patienceMs: number): Promise<void> {
    this.#closing.abort();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, patienceMs);
      this.#empty = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#look();
    });
  }

  /** A stream of events is nobody's work. */
  #look(): void {
    const working = [...this.#inside].some((res) => !String(res.getHeader("Content-Type") ?? "").startsWith("text/event-stream"));
    if (!working) this.#empty?.();
  }
}
