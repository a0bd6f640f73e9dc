/** Which image to label next (protocol 1.5). A strategy sees only what is free: see pool.ts. */
import type { Info } from "../datastore/datastore.js";
import type { Params, Pool, Strategy } from "./app.js";

/** When a strategy served the image last, in seconds since 1970; 0 for never. The server notes it in the image's info. */
function lastServed(info: Readonly<Info>, strategy: string): number {
  const served = info.strategy as Record<string, { ts?: unknown } | undefined> | null | undefined;
  const time = Number(served?.[strategy]?.ts ?? 0);
  return Number.isFinite(time) ? time : 0;
}

export interface RandomOptions {
  /** 0..1, as Math.random. */
  readonly random?: () => number;
  /** Seconds since 1970. */
  readonly now?: () => number;
  /** With a seed the order of images is one fixed shuffle of their ids; the request's own `seed` goes before it. */
  readonly seed?: string;
}

/**
 * At random, by the seconds since each image was last served: what two people were just given is unlikely to be given again. With a
 * seed: what was never served first, then what was served longest ago, each in an order that seed and ids alone decide.
 */
export function randomStrategy({ random = Math.random, now = () => Date.now() / 1000, seed }: RandomOptions = {}): Strategy {
  return {
    description: "Random Strategy",
    async next(pool: Pool, options: Params) {
      const time = Math.floor(now());
      const images: Candidates = { ids: [], served: [] };
      await pool.select((id, { image }) => {
        images.ids.push(id);
        images.served.push(lastServed(image.info, "random"));
      });
      const given = typeof options.seed === "number" || typeof options.seed === "string" ? String(options.seed) : seed;
      const chosen = given === undefined ? drawn(images, time, random) : shuffled(images, given);
      return chosen < 0 ? null : { id: images.ids[chosen], weight: weight(images.served[chosen], time) };
    },
  };
}

/** Two lists side by side: an object for each of 100,000 images would cost more than all the rest. */
interface Candidates {
  readonly ids: string[];
  readonly served: number[];
}

const weight = (served: number, time: number) => Math.max(1, time - served);

/** Place of the chosen one, -1 where there is none. */
function drawn({ served }: Candidates, time: number, random: () => number): number {
  let left = random() * served.reduce((sum, when) => sum + weight(when, time), 0);
  const chosen = served.findIndex((when) => (left -= weight(when, time)) < 0);
  return chosen < 0 ? served.length - 1 : chosen;
}

function shuffled({ ids, served }: Candidates, seed: string): number {
  let best = -1;
  let bestPlace = 0;
  for (let n = 0; n < ids.length; n++) {
    if (best >= 0 && served[n] > served[best]) continue;
    const place = hash(`${seed}\n${ids[n]}`);
    if (best >= 0 && served[n] === served[best] && place >= bestPlace) continue;
    best = n;
    bestPlace = place;
  }
  return best;
}

/** FNV-1a with the last steps of murmur3: 32 well-mixed bits of a text, the same on every machine, fast for 100,000 ids. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) h = Math.imul(h ^ text.charCodeAt(at), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** The first by id. */
export function firstStrategy(): Strategy {
  return { description: "Get First Sample", next: async (pool) => at(await pool.listUnlabeled(), 0) };
}

/** The last by id. */
export function lastStrategy(): Strategy {
  return { description: "Get Last Sample", next: async (pool) => at(await pool.listUnlabeled(), -1) };
}

function at(ids: readonly string[], place: number): { id: string } | null {
  const id = ids.at(place);
  return id === undefined ? null : { id };
}
