/** Instances of a series that are asked for one by one: what did not come with the others, and what somebody wants to see at once. */
import PQueue from "p-queue";
import { type Instance, parseInstance } from "../../dicom/instance.js";
import type { ArchiveClient, SeriesPlace } from "../../dicomweb/client.js";
import { badAnswer, isPassing } from "../../dicomweb/errors.js";
import { LimnetError } from "../../errors.js";

/** Instances that are asked for at the same time. */
const lanes = 8;
/** Asked for where there is no decoder here (JPEG Extended, 12 bits). */
export const explicitLittleEndian = "1.2.840.10008.1.2.1";

export interface SinglesOptions {
  readonly client: ArchiveClient;
  readonly place: SeriesPlace;
  readonly signal: AbortSignal;
  /** Takes what has come. */
  add(instance: Instance): Promise<void>;
}

export class SeriesSingles {
  readonly #options: SinglesOptions;
  readonly #queue = new PQueue({ concurrency: lanes });

  constructor(options: SinglesOptions) {
    this.#options = options;
  }

  /** One instance by itself, tried twice. @throws LimnetError archive_*, bad_volume */
  ask(uid: string, syntax?: string): Promise<void> {
    return this.#queue.add(() => this.#fetch(uid, syntax)) as Promise<void>;
  }

  /** Forgets what did not begin yet. */
  clear(): void {
    this.#queue.clear();
  }

  async #fetch(uid: string, syntax = "*"): Promise<void> {
    const { client, place, signal, add } = this.#options;
    for (let attempt = 1; ; attempt++) {
      try {
        const instance = await parseInstance(await client.retrieveInstance(place, uid, { syntax, signal }));
        if ((instance.sopInstanceUid || uid) !== uid) throw badAnswer("sent another instance than the one that was asked for");
        return await add(instance);
      } catch (error) {
        signal.throwIfAborted();
        if (syntax === "*" && isTranscodable(error)) syntax = explicitLittleEndian;
        else if (attempt >= 2 || !isPassing(error)) throw error;
      }
    }
  }
}

/** True where the archive may be asked for the same in a syntax that can be read. */
export function isTranscodable(error: unknown): boolean {
  return error instanceof LimnetError && (error.code as string) === "unsupported_transfer_syntax";
}
