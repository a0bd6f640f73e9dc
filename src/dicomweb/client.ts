/** Transactions with one archive, typed: QIDO-RS and metadata and STOW-RS through dicomweb-client, pixels through our own splitter. */
import { api } from "dicomweb-client";
import { badAnswer, badStatus } from "./errors.js";
import type { ArchiveHttp} from "./http.js";
import { type ArchiveAnswer, readAll } from "./http.js";
import { type Attributes, isObject, isUid } from "./json.js";
import { boundaryOf, splitRelated } from "./multipart.js";
import type { ArchiveSettings } from "./settings.js";
import { isStoreAnswer, readStoreAnswer, type StoreAnswer } from "./stow.js";
import { ArchiveXhr } from "./xhr.js";

export interface SeriesPlace {
  readonly study: string;
  readonly series: string;
}

type ClientRequest = { instance: ArchiveXhr };

/** As dicomweb-client really is: its type file leaves `request` out. */
interface Dicomweb {
  searchForSeries(options: { studyInstanceUID?: string; queryParams: Record<string, string>; request: ClientRequest }): Promise<unknown>;
  searchForInstances(options: { studyInstanceUID: string; seriesInstanceUID?: string; queryParams: Record<string, string>; request: ClientRequest }): Promise<unknown>;
  retrieveSeriesMetadata(options: { studyInstanceUID: string; seriesInstanceUID: string; request: ClientRequest }): Promise<unknown>;
  storeInstances(options: { datasets: ArrayBuffer[]; request: ClientRequest }): Promise<unknown>;
}

/** Asks for objects as they are stored: the archive spends nothing on transcoding. */
export const storedSyntax = 'multipart/related; type="application/dicom"; transfer-syntax=*';

export class ArchiveClient {
  readonly http: ArchiveHttp;
  readonly settings: ArchiveSettings;
  readonly #client: Dicomweb;

  constructor(http: ArchiveHttp) {
    this.http = http;
    this.settings = http.settings;
    const { url, prefixes: { qido, wado, stow } } = http.settings;
    this.#client = new api.DICOMwebClient({
      url, verbose: false, singlepart: false,
      ...(qido && { qidoURLPrefix: qido }), ...(wado && { wadoURLPrefix: wado }), ...(stow && { stowURLPrefix: stow }),
    }) as unknown as Dicomweb;
  }

  /** QIDO-RS for series (PS3.18 10.6), one page. @throws LimnetError archive_* */
  async searchSeries(query: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<Attributes[]> {
    return list(await this.#call(signal, (request) => this.#client.searchForSeries({ queryParams: { ...query }, request })));
  }

  /** Attributes of every instance of a series (PS3.18 10.4), without bulk data. @throws LimnetError archive_* */
  async seriesMetadata({ study, series }: SeriesPlace, signal?: AbortSignal): Promise<Attributes[]> {
    return list(await this.#call(signal, (request) => this.#client.retrieveSeriesMetadata({ studyInstanceUID: study, seriesInstanceUID: series, request })));
  }

  /** QIDO-RS for the instances of a series, or of a whole study. @throws LimnetError archive_* */
  async searchInstances({ study, series }: Pick<SeriesPlace, "study"> & Partial<SeriesPlace>, query: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<Attributes[]> {
    return list(await this.#call(signal, (request) => this.#client.searchForInstances({ studyInstanceUID: study, ...(series !== undefined && { seriesInstanceUID: series }), queryParams: { ...query }, request })));
  }

  /** STOW-RS (PS3.18 10.5) of Part 10 files; what the archive says about each. @throws LimnetError archive_* where it said nothing of use */
  async store(files: readonly Buffer[], signal?: AbortSignal): Promise<StoreAnswer> {
    const instance = new ArchiveXhr(this.http, signal);
    // 200, 202 and 409 all carry an answer to read; Orthanc says 400 where every instance failed.
    instance.responseType = "json";
    const datasets = files.map((file) => file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength) as ArrayBuffer);
    try {
      const answer = await this.#client.storeInstances({ datasets, request: { instance } });
      return readStoreAnswer(answer);
    } catch (error) {
      if (instance.failure) throw instance.failure;
      if ((instance.status === 409 || instance.status === 400) && isStoreAnswer(instance.response)) return readStoreAnswer(instance.response);
      if (instance.status !== 0) throw badStatus(instance.status);
      throw error;
    }
  }

  /**
   * The instances of a series as Part 10 files in their stored transfer syntax, each as soon as it has come; the order is the archive's.
   * `lent`: a file is good until the next is asked for. @throws LimnetError archive_* ; what was handed on before stays good
   */
  async *retrieveSeries({ study, series }: SeriesPlace, { signal, lent = false }: { signal?: AbortSignal; lent?: boolean } = {}): AsyncGenerator<Buffer> {
    yield* this.#instances(this.#wado(study, "series", series), storedSyntax, signal, { lent: true, lentFiles: lent });
  }

  /** One instance as a Part 10 file; `syntax`: a transfer syntax to be transcoded to. @throws LimnetError archive_* */
  async retrieveInstance({ study, series }: SeriesPlace, instance: string, { syntax = "*", signal }: { syntax?: string; signal?: AbortSignal } = {}): Promise<Buffer> {
    const url = this.#wado(study, "series", series, "instances", instance);
    for await (const file of this.#instances(url, `multipart/related; type="application/dicom"; transfer-syntax=${syntax}`, signal)) return file;
    throw badAnswer("sent an answer without an instance");
  }

  async *#instances(url: string, accept: string, signal?: AbortSignal, { lent = false, lentFiles = false } = {}): AsyncGenerator<Buffer> {
    const answer = await this.http.send({ method: "GET", url, headers: { Accept: accept }, signal, lent });
    if (answer.status !== 200) {
      answer.discard();
      throw badStatus(answer.status);
    }
    const type = answer.headers["content-type"];
    const boundary = boundaryOf(type);
    if (boundary === null) {
      yield await this.#single(answer, type);
      return;
    }
    const { maxInstanceBytes, maxInstances, maxSeriesBytes } = this.settings;
    for await (const { body } of splitRelated(answer.body, boundary, { maxPartBytes: maxInstanceBytes, maxParts: maxInstances, maxTotalBytes: maxSeriesBytes, lent: lentFiles })) {
      if (!isPart10(body)) throw badAnswer("sent a part that is not a DICOM file");
      yield body;
    }
  }

  /** Some archives send a single instance bare; a multipart body under a wrong type is recognised by its first bytes. */
  async #single(answer: ArchiveAnswer, type: string | undefined): Promise<Buffer> {
    if (/html|json|xml|text\//i.test(type ?? "")) {
      answer.discard();
      throw badAnswer(`answered with ${/html/i.test(type!) ? "a web page" : "text"} where DICOM was expected. --studies may name its user interface, or a login stands in between: name the root of its DICOMweb services`);
    }
    const bytes = await readAll(answer, this.settings.maxInstanceBytes);
    if (isPart10(bytes)) return bytes;
    throw badAnswer("answered with something that is not DICOM where DICOM was expected");
  }

  #wado(study: string, ...rest: string[]): string {
    for (const uid of [study, ...rest.filter((_, n) => n % 2 === 1)]) if (!isUid(uid)) throw badAnswer("named a UID that is none");
    const { url, prefixes } = this.settings;
    return [url, ...(prefixes.wado ? [prefixes.wado] : []), "studies", study, ...rest].join("/");
  }

  async #call<T>(signal: AbortSignal | undefined, use: (request: ClientRequest) => Promise<T>): Promise<T> {
    const instance = new ArchiveXhr(this.http, signal);
    try {
      return await use({ instance });
    } catch (error) {
      if (instance.failure) throw instance.failure;
      if (instance.status !== 0) throw badStatus(instance.status);
      throw error;
    }
  }
}

/** "DICM" after the preamble (PS3.10 section 7.1). */
export function isPart10(file: Buffer): boolean {
  return file.length > 132 && file.toString("latin1", 128, 132) === "DICM";
}

function list(answer: unknown): Attributes[] {
  if (!Array.isArray(answer) || !answer.every(isObject)) throw badAnswer("sent JSON that is no list of DICOM attributes");
  return answer;
}
