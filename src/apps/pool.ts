/** What a strategy may choose from, and who was given what: no image goes to two clients within the lease time. */
import type { Datastore, ImageFile, ImageGlance, Info } from "../datastore/datastore.js";
import { finalTag } from "../datastore/names.js";
import type { Params, Pool, Strategy } from "./app.js";

export interface Served {
  readonly image: ImageFile;
  /** What the strategy said: `id` and keys of its own. */
  readonly next: { readonly id: string } & Info;
}

export interface LeaseOptions {
  /** 0: no leases. */
  readonly seconds: number;
  /** Seconds since 1970. */
  readonly now?: () => number;
}

const mostLooks = 20;

/**
 * Serves images one request after the other. The book of leases is the image's own info (`strategy.<name> = {ts, client_id}`, as MONAI
 * Label writes it), so that it holds across strategies and after a restart.
 */
export class Leases {
  readonly #seconds: number;
  readonly #now: () => number;
  #last: Promise<unknown> = Promise.resolve();

  constructor({ seconds, now = () => Date.now() / 1000 }: LeaseOptions) {
    this.#seconds = seconds;
    this.#now = now;
  }

  /** Lets a strategy choose for a client, and notes that it did. Null where nothing is free. Throws what the strategy throws. */
  serve(datastore: Datastore, name: string, strategy: Strategy, client: string, options: Params): Promise<Served | null> {
    const mine = this.#last.then(() => this.#serve(datastore, name, strategy, client, options));
    this.#last = mine.catch(() => {});
    return mine;
  }

  async #serve(datastore: Datastore, name: string, strategy: Strategy, client: string, options: Params): Promise<Served | null> {
    const next = await this.#choose(datastore, strategy, client, options);
    // An archive brings the voxels while the client reads the answer.
    const image = next && (await datastore.peek(next.id));
    if (!next || !image) return null;
    const before = isObject(image.info.strategy) ? image.info.strategy : {};
    await datastore.noteImageInfo(image.id, { strategy: { ...before, [name]: { ts: Math.floor(this.#now()), client_id: client } } });
    await datastore.prefetch?.(image.id);
    return { image, next };
  }

  /** Chooses again where somebody else has labelled the chosen image in the meantime: only a few are looked at, as each asks an archive. */
  async #choose(datastore: Datastore, strategy: Strategy, client: string, options: Params): ReturnType<Strategy["next"]> {
    const pool = freePool(datastore, options, (info) => this.#isTaken(info, client));
    for (let looks = 0; ; looks++) {
      const next = await strategy.next(pool, options);
      if (!next || looks === mostLooks || !(await datastore.lookAgain?.(next.id))) return next;
    }
  }

  /** Whether another client was given the image last, not long ago. */
  #isTaken({ strategy }: Readonly<Info>, client: string): boolean {
    if (!isObject(strategy)) return false;
    let newest = -Infinity;
    let holder: unknown = null;
    for (const given of Object.values(strategy)) {
      if (!isObject(given) || !(Number(given.ts) > newest)) continue;
      newest = Number(given.ts);
      holder = given.client_id;
    }
    return newest > this.#now() - this.#seconds && holder !== client;
  }
}

/** Images that are not labelled yet (`label_tag`, `labels` of the request say what that means; default: no final label) and not taken. */
function freePool(datastore: Datastore, { label_tag: wantedTag, labels: wanted }: Params, isTaken: (info: Readonly<Info>) => boolean): Pool {
  const tag = typeof wantedTag === "string" && wantedTag !== "" ? wantedTag : finalTag;
  const names = Array.isArray(wanted) ? wanted.filter((name) => typeof name === "string") : [];
  const isFree = ({ image, labels }: ImageGlance) => {
    const label = labels.get(tag);
    return !(label && holdsAll(label.info, names)) && !isTaken(image.info);
  };
  const select: Pool["select"] = (pick) => {
    const free = (id: string, glance: ImageGlance) => (isFree(glance) ? pick(id, glance) : undefined);
    return datastore.selectSome ? datastore.selectSome(free) : datastore.select(free);
  };
  return {
    select,
    listUnlabeled: () => select((id) => id),
    image: (id) => datastore.image(id),
    imageDigest: (id) => datastore.imageDigest(id),
  };
}

/** Whether a label names all of these segments in its `label_info`. */
function holdsAll(info: Readonly<Info>, names: readonly string[]): boolean {
  if (names.length === 0) return true;
  const segments = Array.isArray(info.label_info) ? info.label_info : [];
  return names.every((name) => segments.some((segment) => isObject(segment) && segment.name === name));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
