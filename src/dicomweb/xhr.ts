/** The few members of XMLHttpRequest that dicomweb-client uses, over our own HTTP: deadlines, credentials and limits are those of ArchiveHttp. */
import type { LimnetError } from "../errors.js";
import { badAnswer } from "./errors.js";
import { type ArchiveHttp, readAll } from "./http.js";

export class ArchiveXhr {
  responseType = "";
  readyState = 0;
  status = 0;
  response: unknown = null;
  onreadystatechange: (() => void) | null = null;
  onloadstart: (() => void) | null = null;
  onloadend: (() => void) | null = null;
  /** Why there is no answer: dicomweb-client only knows that the request failed. */
  failure: unknown = null;
  /** Answers are kept as bytes, whatever `responseType` says. */
  binary = false;
  readonly #http: ArchiveHttp;
  readonly #signal: AbortSignal | undefined;
  readonly #headers: Record<string, string> = {};
  #method: "GET" | "POST" = "GET";
  #url = "";
  #answerHeaders: Readonly<Record<string, unknown>> = {};

  constructor(http: ArchiveHttp, signal?: AbortSignal) {
    this.#http = http;
    this.#signal = signal;
  }

  open(method: string, url: string): void {
    this.#method = method.toUpperCase() === "POST" ? "POST" : "GET";
    this.#url = url;
  }

  setRequestHeader(name: string, value: string): void {
    this.#headers[name] = value;
  }

  getResponseHeader(name: string): string | null {
    const value = this.#answerHeaders[name.toLowerCase()];
    return typeof value === "string" ? value : null;
  }

  getAllResponseHeaders(): string {
    return Object.keys(this.#answerHeaders).map((name) => `${name}: ${this.getResponseHeader(name) ?? ""}`).join("\r\n");
  }

  send(body?: ArrayBuffer | Uint8Array): void {
    void this.#exchange(body).catch((error) => {
      this.failure = error;
      this.status = 0;
    }).finally(() => {
      this.readyState = 4;
      this.onreadystatechange?.();
      this.onloadend?.();
    });
  }

  async #exchange(body?: ArrayBuffer | Uint8Array): Promise<void> {
    this.onloadstart?.();
    const sent = body === undefined ? undefined : body instanceof Uint8Array ? Buffer.from(body.buffer, body.byteOffset, body.byteLength) : Buffer.from(body);
    const answer = await this.#http.send({ method: this.#method, url: this.#url, headers: { Accept: "application/dicom+json", ...this.#headers }, body: sent, signal: this.#signal });
    const bytes = await readAll(answer, this.#http.settings.maxJsonBytes);
    this.#answerHeaders = answer.headers;
    if (this.binary) {
      this.response = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    } else if (this.responseType === "json") {
      // Also of errors: a 409 of STOW says in JSON what failed.
      this.response = parseJson(bytes);
      if (this.response === null && answer.status === 200) throw notJson(this.getResponseHeader("content-type"), bytes);
    } else {
      this.response = bytes.toString("utf8");
    }
    this.status = answer.status;
  }
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return null;
  }
}

/** HTML with 200 comes from login pages and proxies. */
export function notJson(contentType: string | null, bytes: Buffer): LimnetError {
  if (bytes.length === 0) return badAnswer("sent an empty answer where DICOM JSON was expected");
  const html = /html/i.test(contentType ?? "") || /^\s*</.test(bytes.subarray(0, 200).toString("latin1"));
  return badAnswer(html
    ? "answered with a web page where DICOM JSON was expected. --studies may name its user interface, or a login stands in between: name the root of its DICOMweb services"
    : "sent something that is not DICOM JSON");
}
