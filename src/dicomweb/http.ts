/**
 * HTTP to one archive: keep-alive, a deadline for every wait, credentials added here and nowhere else. Redirects are followed on the
 * same origin only, so that the credentials never reach another host.
 */
import { Agent as HttpAgent, type IncomingHttpHeaders, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { setTimeout as delay } from "node:timers/promises";
import { LimnetError } from "../errors.js";
import { CredentialError, Credentials } from "./credentials.js";
import { badAnswer, isAway, tooSlow, unreachable } from "./errors.js";
import { addressOf, type Inflow, LentConnection } from "./lent-body.js";
import type { ArchiveSettings, Deadlines } from "./settings.js";

export interface ArchiveRequest {
  readonly method: "GET" | "HEAD" | "POST";
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | NodeJS.ReadableStream;
  readonly signal?: AbortSignal;
  /** For a large answer: a piece of its body is good only until the next is asked for. */
  readonly lent?: boolean;
  /** Other deadlines than those of the archive. */
  readonly deadlines?: Partial<Deadlines>;
}

export interface ArchiveAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Pieces as they come; throws LimnetError where the archive stops sending. Has to be read or `discard`ed. */
  readonly body: AsyncIterable<Buffer>;
  discard(): void;
}

/** Milliseconds before a read is tried again: an archive that is started again, or that closed a kept connection, is back soon. */
const pauses = [200, 600, 1200];
const mostRedirects = 3;
const redirects = new Set([301, 302, 303, 307, 308]);

export class ArchiveHttp {
  readonly settings: ArchiveSettings;
  /** Told of every request: seconds until the head of the answer; status 0 where none came. */
  onAnswer: ((method: string, status: number, seconds: number) => void) | null = null;
  readonly #credentials: Credentials;
  readonly #origin: string;
  readonly #http = new HttpAgent({ keepAlive: true, maxSockets: 16, scheduling: "lifo" });
  readonly #https = new HttpsAgent({ keepAlive: true, maxSockets: 16, scheduling: "lifo" });

  constructor(settings: ArchiveSettings, credentials = new Credentials()) {
    this.settings = settings;
    this.#credentials = credentials;
    this.#origin = new URL(settings.url).origin;
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  /**
   * Sends a request below the archive's address. A 401 makes the credentials be read again, and is tried once more where they changed. What
   * only reads is tried again for two seconds where the archive refuses or breaks the connection before its answer begins.
   * @throws LimnetError archive_unreachable, archive_timeout, archive_answer (redirect to another host); what `signal` was aborted with
   */
  async send(request: ArchiveRequest): Promise<ArchiveAnswer> {
    if (new URL(request.url).origin !== this.#origin) throw badAnswer("names an address on another host, which is not followed");
    let answer = await this.#patiently(request);
    if (answer.status === 401 && isRepeatable(request) && await this.#credentials.renew()) {
      answer.discard();
      answer = await this.#follow(request);
    }
    return answer;
  }

  async #patiently(request: ArchiveRequest): Promise<ArchiveAnswer> {
    for (const pause of request.method === "POST" ? [] : pauses) {
      try {
        return await this.#follow(request);
      } catch (error) {
        if (!isAway(error)) throw error;
      }
      await delay(pause, undefined, { signal: request.signal }).catch(() => request.signal?.throwIfAborted());
    }
    return this.#follow(request);
  }

  async #follow(request: ArchiveRequest): Promise<ArchiveAnswer> {
    let url = request.url;
    for (let hop = 0; ; hop++) {
      const answer = await this.#once({ ...request, url });
      const to = redirects.has(answer.status) ? answer.headers.location : undefined;
      if (to === undefined) return answer;
      answer.discard();
      if (hop >= mostRedirects) throw badAnswer("redirects in a circle");
      if (!URL.canParse(to, url) || new URL(to, url).origin !== this.#origin) throw badAnswer("redirects to another host, which is not followed: its credentials would go with it. Name the right address with --studies");
      if (request.method === "POST" && (answer.status < 307 || !isRepeatable(request))) throw badAnswer("redirects what is sent to it. Name the right address with --studies");
      url = new URL(to, url).href;
    }
  }

  async #once({ method, url, headers = {}, body, signal, lent, deadlines: others }: ArchiveRequest): Promise<ArchiveAnswer> {
    signal?.throwIfAborted();
    const deadlines = { ...this.settings.deadlines, ...others };
    const authorization = await this.#credentials.header();
    const stop = new AbortController();
    const total = setTimeout(() => stop.abort(tooSlow("did not finish its answer", deadlines.total)), deadlines.total);
    const onAbort = () => stop.abort(signal!.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    const settle = () => {
      clearTimeout(total);
      signal?.removeEventListener("abort", onAbort);
    };
    const start = performance.now();
    const secure = url.startsWith("https:");
    const connection = lent ? new LentConnection(addressOf(url)) : null;
    const told = (status: number) => this.onAnswer?.(method, status, (performance.now() - start) / 1000);
    try {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        const length: Record<string, number> = Buffer.isBuffer(body) ? { "Content-Length": body.length } : {};
        const req = (secure ? httpsRequest : httpRequest)(url, {
          method,
          ...(connection ? { createConnection: () => connection.socket } : { agent: secure ? this.#https : this.#http }),
          // Sizes are promised for what travels, so nothing is compressed on the way.
          headers: { Accept: "*/*", "Accept-Encoding": "identity", ...headers, ...length, ...(authorization !== null && { Authorization: authorization }) },
        });
        connection?.watch(req);
        const first = setTimeout(() => req.destroy(tooSlow("did not answer", deadlines.answer)), deadlines.answer);
        const abort = () => req.destroy(stop.signal.reason);
        stop.signal.addEventListener("abort", abort, { once: true });
        req.once("response", (message) => {
          clearTimeout(first);
          resolve(message);
        });
        req.once("close", () => clearTimeout(first));
        req.on("error", (error) => {
          clearTimeout(first);
          reject(error);
        });
        if (body === undefined || Buffer.isBuffer(body)) req.end(body);
        else {
          body.once("error", (error) => req.destroy(error));
          // While a body is on its way, the archive may keep silent.
          body.on("data", () => first.refresh());
          body.pipe(req);
        }
      });
      told(response.statusCode ?? 0);
      return { status: response.statusCode ?? 0, headers: response.headers, body: pieces(connection?.body ?? response, deadlines, stop.signal, settle), discard: () => { settle(); response.destroy(); } };
    } catch (error) {
      told(0);
      settle();
      throw plain(error, signal);
    }
  }
}

/** The pieces of an answer, each within the idle deadline; a connection that ends before the length that was told is an error. */
async function* pieces(response: Inflow, deadlines: Deadlines, stop: AbortSignal, settle: () => void): AsyncGenerator<Buffer> {
  const wait = () => setTimeout(() => response.destroy(tooSlow("sent nothing more", deadlines.idle)), deadlines.idle);
  let idle = wait();
  const abort = () => response.destroy(stop.reason);
  if (stop.aborted) abort();
  stop.addEventListener("abort", abort, { once: true });
  try {
    for await (const piece of response) {
      // Time that the reader takes is not the archive's.
      clearTimeout(idle);
      yield piece;
      idle = wait();
    }
    if (!response.complete) throw badAnswer("cut its answer off. Try again");
  } catch (error) {
    throw plain(error, stop);
  } finally {
    clearTimeout(idle);
    stop.removeEventListener("abort", abort);
    settle();
    response.destroy();
  }
}

/** Our own errors and the caller's reason as they are; errors of sockets and of HTTP as sentences. */
function plain(error: unknown, signal?: AbortSignal): unknown {
  if (signal?.aborted && error === signal.reason) return error;
  if (error instanceof LimnetError || error instanceof CredentialError) return error;
  const { code } = error as { code?: string };
  if (code === "ECONNRESET" && (error as Error).message === "aborted") return badAnswer("cut its answer off. Try again", error);
  if (code?.startsWith("HPE_")) return badAnswer("does not speak HTTP", error);
  return unreachable(error);
}

function isRepeatable({ body }: ArchiveRequest): boolean {
  return body === undefined || Buffer.isBuffer(body);
}

/** The answer's bytes as one buffer. @throws LimnetError archive_answer beyond `limit` bytes */
export async function readAll(answer: ArchiveAnswer, limit: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const piece of answer.body) {
    size += piece.length;
    if (size > limit) throw badAnswer(`sent more than ${limit} bytes where less was expected`);
    parts.push(piece);
  }
  return Buffer.concat(parts, size);
}
